"""The exchange's own schedule: sessions of New York, weeks in effect, maintenance windows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from apps.core.errors import WireFormatError
from apps.exchange.hours import (
    DAYS,
    Hours,
    hours_at,
    hours_words,
    maintenance_near,
    moment_words,
    week_words,
    weeks_of,
    windows_of,
)
from apps.exchange.news import maintenance_words
from apps.exchange.wire.schemas.rest import Schedule
from apps.paper.engine.maintenance import next_window
from apps.paper.testing import InProcessPaper

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
Sessions = list[tuple[str, str]]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def week(start: str, end: str, **days: Sessions) -> dict[str, Any]:
    sessions = {day: [{"open_time": a, "close_time": b} for a, b in days.get(day, [])] for day in DAYS}
    return {"start_time": f"{start}T00:00:00Z", "end_time": f"{end}T00:00:00Z", **sessions}


def schedule(*weeks: dict[str, Any], windows: Sessions = []) -> Schedule:  # noqa: B006 - never changed
    shapes = [{"start_datetime": a, "end_datetime": b} for a, b in windows]
    return msgspec.convert({"standard_hours": list(weeks), "maintenance_windows": shapes}, Schedule)


ALWAYS = {day: [("00:00", "23:59")] for day in DAYS}
WORKDAY = [("08:00", "12:00"), ("13:30", "20:00")]


@pytest.mark.parametrize(
    ("now", "is_open", "until"),
    [
        # Winter: New York is five hours behind UTC. 2026-11-23 is a Monday.
        ("2026-11-23T12:59:59", False, "2026-11-23T13:00:00"),
        ("2026-11-23T13:00:00", True, "2026-11-23T17:00:00"),
        ("2026-11-23T17:00:00", False, "2026-11-23T18:30:00"),
        ("2026-11-24T00:59:00", True, "2026-11-24T01:00:00"),
        ("2026-11-24T01:00:00", False, "2026-11-30T13:00:00"),
        # The clocks go forward on 2026-03-08: the same session is an hour earlier by UTC from then on.
        ("2026-03-02T13:00:00", True, "2026-03-02T17:00:00"),
        ("2026-03-09T12:00:00", True, "2026-03-09T16:00:00"),
        ("2026-03-03T01:00:00", False, "2026-03-09T12:00:00"),
    ],
)
def test_several_sessions_a_day_by_the_clock_of_new_york(now: str, is_open: bool, until: str) -> None:
    weeks = weeks_of(schedule(week("2026-01-01", "2027-01-01", monday=WORKDAY)))

    assert hours_at(weeks, at(now)) == Hours(is_open, at(until))


def test_days_join_at_midnight_and_a_session_may_go_on_into_the_next_day() -> None:
    always = weeks_of(schedule(week("2026-01-01", "2027-01-01", **ALWAYS)))
    assert hours_at(always, at("2026-11-24T04:59:30")) == Hours(True, None)  # 23:59:30 there

    night = weeks_of(schedule(week("2026-01-01", "2027-01-01", friday=[("18:00", "02:00")])))
    assert hours_at(night, at("2026-11-28T05:00:00")) == Hours(True, at("2026-11-28T07:00:00"))
    assert hours_at(night, at("2026-11-28T07:00:00")).is_open is False


def test_the_week_that_began_later_holds_and_outside_of_all_nothing_is_known() -> None:
    usual, holidays = week("2026-01-01", "2026-12-01", **ALWAYS), week("2026-11-26", "2026-11-27")
    weeks = weeks_of(schedule(holidays, usual))

    assert hours_at(weeks, at("2026-11-25T12:00:00")) == Hours(True, at("2026-11-26T00:00:00"))
    assert hours_at(weeks, at("2026-11-26T12:00:00")) == Hours(False, at("2026-11-27T00:00:00"))
    assert hours_at(weeks, at("2026-12-01T00:00:00")) == Hours(None, None)
    assert hours_at([], at("2026-11-26T12:00:00")) == Hours(None, None)
    assert dict(week_words(weeks, at("2026-11-26T12:00:00")))["Thursday"] == "closed"
    assert dict(week_words(weeks, at("2026-11-25T12:00:00")))["Thursday"] == "00:00 to 24:00"


@pytest.mark.parametrize("start", ["2026-03-05T00:00:00", "2026-10-29T00:00:00"], ids=["spring", "autumn"])
def test_it_agrees_with_the_paper_exchange_through_a_change_of_the_clocks(start: str) -> None:
    begin = at(start)
    paper = InProcessPaper(now_ms=int(begin.timestamp()) * 1000)
    paper.exchange.keep_maintenance("trading")
    with paper.client() as client:
        told = msgspec.convert(client.get("/exchange/schedule").json()["schedule"], Schedule)
    weeks, windows = weeks_of(told), windows_of(told)

    for number in range(14 * 48):
        now = begin + number * 30 * MINUTE
        ms = int(now.timestamp()) * 1000
        is_on = next_window(ms).start_ms <= ms
        assert hours_at(weeks, now).is_open is not is_on
        assert (maintenance_near(windows, now, ahead=timedelta(0)) is not None) is is_on


def test_maintenance_is_near_from_an_hour_before_until_its_end() -> None:
    windows = windows_of(
        schedule(
            windows=[
                ("2026-12-03T08:00:00Z", "2026-12-03T10:00:00Z"),
                ("2026-11-26T08:00:00Z", "2026-11-26T10:00:00Z"),
            ]
        )
    )
    first = windows[0]

    assert maintenance_near(windows, first.start - HOUR - MINUTE) is None
    assert maintenance_near(windows, first.start - HOUR) == first
    assert maintenance_near(windows, first.end - MINUTE) == first
    assert maintenance_near(windows, first.end) is None
    assert maintenance_words(first, now=first.start - 42 * MINUTE) == (
        "Maintenance from 03:00 ET (08:00 UTC) to 05:00 ET (10:00 UTC), in 42 min"
    )
    assert maintenance_words(first, now=first.start).endswith(", now")
    assert maintenance_words(first, now=first.start - 30 * HOUR).endswith(", in 30 h")


def test_words_say_the_day_where_it_is_another() -> None:
    now = at("2026-11-23T13:00:00")

    def words(text: str) -> str:
        return moment_words(at(text), now=now)

    assert words("2026-11-23T07:59:00") == "02:59 ET (07:59 UTC)"
    assert words("2026-11-24T02:00:00") == "21:00 ET (Tue 02:00 UTC)"
    assert words("2026-11-26T08:00:00") == "Thu 03:00 ET (08:00 UTC)"
    assert words("2026-12-03T08:00:00") == "Thu 3 Dec 03:00 ET (08:00 UTC)"
    assert hours_words(Hours(True, at("2026-11-23T18:00:00")), now=now) == "Exchange open until 13:00 ET (18:00 UTC)"
    assert hours_words(Hours(False, at("2026-11-26T10:00:00")), now=now).endswith("opens Thu 05:00 ET (10:00 UTC)")
    assert hours_words(Hours(None, None), now=now) == "The exchange gives no hours for now"


@pytest.mark.parametrize("broken", ["", "25:00", "8", "ab:cd"])
def test_a_time_that_is_none_is_refused(broken: str) -> None:
    with pytest.raises(WireFormatError):
        weeks_of(schedule(week("2026-01-01", "2027-01-01", monday=[(broken, "20:00")])))
