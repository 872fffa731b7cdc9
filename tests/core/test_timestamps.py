from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import timestamps
from apps.core.errors import WireFormatError

AWARE = st.datetimes(timezones=st.just(UTC), min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-08-07T11:46:20Z", datetime(2026, 8, 7, 11, 46, 20, tzinfo=UTC)),
        ("2026-08-07T11:46:20.57711Z", datetime(2026, 8, 7, 11, 46, 20, 577110, tzinfo=UTC)),
        ("2026-08-07t11:46:20.5z", datetime(2026, 8, 7, 11, 46, 20, 500000, tzinfo=UTC)),
        ("2026-08-07T11:46:20.123456789Z", datetime(2026, 8, 7, 11, 46, 20, 123456, tzinfo=UTC)),
        ("2026-08-07T13:46:20+02:00", datetime(2026, 8, 7, 11, 46, 20, tzinfo=UTC)),
    ],
)
def test_rfc3339_is_read_in_utc(raw, expected):
    moment = timestamps.parse_rfc3339(raw)

    assert moment == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "2026-08-07",
        "2026-08-07T11:46:20",
        "2026-08-07 11:46:20Z",
        "2026-13-07T11:46:20Z",
        "2026-08-07T25:46:20Z",
        "2026-08-07T11:46:20.Z",
        "2026-08-07T11:46Z",
        "0001-01-01T00:00:00+23:59",
        1786103180,
        None,
        "٢026-08-07T11:46:20Z",
    ],
)
def test_anything_else_is_refused(raw):
    with pytest.raises(WireFormatError):
        timestamps.parse_rfc3339(raw)


@given(AWARE)
def test_rfc3339_survives_both_ways(moment):
    assert timestamps.parse_rfc3339(timestamps.format_rfc3339(moment)) == moment


def test_other_zones_are_written_in_utc():
    moment = datetime(2026, 8, 7, 13, 46, 20, tzinfo=timezone(timedelta(hours=2)))

    assert timestamps.format_rfc3339(moment) == "2026-08-07T11:46:20Z"


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_unix_milliseconds_survive_both_ways(milliseconds):
    moment = timestamps.from_unix_ms(milliseconds)

    assert timestamps.to_unix_ms(moment) == milliseconds
    assert timestamps.to_unix_seconds(moment) == milliseconds // 1000
    assert moment.tzinfo is UTC


def test_unix_seconds_are_read():
    assert timestamps.from_unix_seconds(1_786_103_180) == datetime(2026, 8, 7, 11, 46, 20, tzinfo=UTC)


@pytest.mark.parametrize("amount", [1.5, "1786103180", True, None, 10**15, -(10**18), 10**30])
def test_a_unix_time_is_an_integer_within_the_calendar(amount):
    with pytest.raises(WireFormatError):
        timestamps.from_unix_seconds(amount)


@pytest.mark.parametrize("write", [timestamps.format_rfc3339, timestamps.to_unix_ms, timestamps.to_unix_seconds])
def test_a_naive_time_is_refused(write):
    with pytest.raises(ValueError, match="naive"):
        write(datetime(2026, 8, 7))


def test_both_clocks_tell_the_same_time():
    before = timestamps.unix_ms_now()
    now = timestamps.utc_now()
    after = timestamps.unix_ms_now()

    assert now.tzinfo is UTC
    assert before <= timestamps.to_unix_ms(now) <= after
