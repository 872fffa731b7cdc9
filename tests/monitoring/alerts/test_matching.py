"""Rules without a database: what matches, when it is quiet, how often it is told, when it is tried again."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.monitoring.alerts.kinds import CHOSEN, KINDS, groups, known
from apps.monitoring.alerts.matching import (
    RETRY_AFTER,
    TRIES,
    Filter,
    Happening,
    Quiet,
    level_of,
    more_text,
    retry_at,
    tickers_of,
    window_end,
)

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def fill(**over: Any) -> Happening:
    values: dict[str, Any] = {
        "kind": "fill",
        "key": "fill:1",
        "subject": "fill:1",
        "at": NOON,
        "title": "Filled",
        "account_id": 7,
        "ticker": "KXNBA-26-BOS",
        "user_id": 3,
        "amount": Decimal("12.50"),
    }
    return Happening(**values | over)


@pytest.mark.parametrize(
    ("narrowed", "matches"),
    [
        ({}, True),
        ({"kinds": frozenset({"feed"})}, False),
        ({"account_id": 7}, True),
        ({"account_id": 8}, False),
        ({"tickers": ("KXNFL", "KXNBA")}, True),
        ({"tickers": ("KXNFL",)}, False),
        ({"least": Decimal("12.50")}, True),
        ({"least": Decimal("12.51")}, False),
        ({"user_id": 3}, True),
        ({"user_id": 4}, False),
    ],
)
def test_a_filter_narrows_to_what_it_names(narrowed: dict[str, Any], matches: bool) -> None:
    assert Filter(**{"kinds": frozenset({"fill"})} | narrowed).matches(fill()) is matches


@pytest.mark.parametrize(
    ("unknown", "narrowed"),
    [
        ({"user_id": None}, {"user_id": 3}),
        ({"amount": None}, {"least": Decimal(1)}),
        ({"ticker": ""}, {"tickers": ("KXNBA",)}),
    ],
)
def test_what_is_asked_for_and_not_known_does_not_match(unknown: dict[str, Any], narrowed: dict[str, Any]) -> None:
    assert not Filter(kinds=frozenset({"fill"}), **narrowed).matches(fill(**unknown))


def test_a_kind_without_markets_people_and_amounts_is_not_hidden_by_filters_of_them() -> None:
    narrow = Filter(kinds=frozenset({"kill.pulled"}), tickers=("KXNBA",), least=Decimal(100), user_id=3, account_id=7)
    pulled = Happening(kind="kill.pulled", key="trail:1", subject="kill_run:1", at=NOON, title="Kill switch")

    assert narrow.matches(pulled)


def test_beginnings_of_tickers_are_read_as_people_write_them() -> None:
    assert tickers_of(" kxnba, KXNFL;kxnba ,, ") == ("KXNBA", "KXNFL")
    assert len(tickers_of(",".join(f"K{n}" for n in range(40)))) == 10


NIGHT = Quiet(time(22, 0), time(7, 0), "America/New_York")  # summer: UTC-4


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 7, 2, 1, 59, tzinfo=UTC), None),  # 21:59
        (datetime(2026, 7, 2, 2, 0, tzinfo=UTC), datetime(2026, 7, 2, 11, 0, tzinfo=UTC)),  # 22:00
        (datetime(2026, 7, 2, 10, 59, tzinfo=UTC), datetime(2026, 7, 2, 11, 0, tzinfo=UTC)),
        (datetime(2026, 7, 2, 11, 0, tzinfo=UTC), None),  # 07:00
        # 31 October 23:00, and clocks go back in that night: 07:00 is 12:00 UTC, not 11:00.
        (datetime(2026, 11, 1, 3, 0, tzinfo=UTC), datetime(2026, 11, 1, 12, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_are_of_the_persons_own_day(now: datetime, until: datetime | None) -> None:
    assert NIGHT.until(now) == until


def test_hours_within_one_day_and_no_hours_at_all() -> None:
    lunch = Quiet(time(12, 0), time(13, 0), "UTC")
    assert lunch.until(NOON) == NOON + timedelta(hours=1)
    assert lunch.until(NOON + timedelta(hours=1)) is None
    assert Quiet(None, None).until(NOON) is None
    assert Quiet(time(9, 0), time(9, 0)).until(NOON.replace(hour=9)) is None


@settings(max_examples=40)
@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    begins=st.times(),
    ends=st.times(),
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_quiet_hours_always_end_later_than_now_and_within_a_day(
    now: datetime, begins: time, ends: time, zone: str
) -> None:
    until = Quiet(begins, ends, zone).until(now)

    assert until is None or now < until <= now + timedelta(hours=25)


def test_the_first_is_told_at_once_and_the_rest_when_the_window_ends() -> None:
    assert window_end(NOON, timedelta(minutes=5)) == NOON + timedelta(minutes=5)
    assert window_end(NOON, timedelta(0)) is None
    assert more_text(1, 15) == "and 14 more"
    assert more_text(3, 3) == ""


def test_it_is_tried_again_later_and_later_and_then_not_any_more() -> None:
    found = [retry_at(attempts, NOON) for attempts in range(1, TRIES + 1)]

    assert found == [*(NOON + after for after in RETRY_AFTER), None]


def test_every_kind_has_a_group_and_the_gravest_level_counts() -> None:
    assert [kind.name for _, kinds in groups() for kind in kinds] == [kind.name for kind in CHOSEN]
    assert "test" not in {kind.name for kind in CHOSEN}
    assert "test" in KINDS
    assert level_of({"info", "danger", "warning"}) == "danger"
    assert level_of(set()) == "info"
    assert known("of.tomorrow").label == "of.tomorrow"
