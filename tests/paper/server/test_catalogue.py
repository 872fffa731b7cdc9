"""Lists of markets and events: every filter rule, pages that lose nothing, the schedule."""

import itertools
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.server.params import page_by_key
from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, SERIES, TAPERED, InProcessPaper
from tests.paper.world import list_template

CREATED, CLOSE, SETTLED, UPDATED = "created", "close", "settled", "updated"
STATUSES = ("unopened", "open", "paused", "closed", "settled")
# The table of GET /markets: which status goes with which time filters.
ALLOWED = {CREATED: {"unopened", "open", ""}, CLOSE: {"closed", ""}, SETTLED: {"settled", ""}, UPDATED: {""}}
NAMES = {word: (f"min_{word}_ts", f"max_{word}_ts") for word in (CREATED, CLOSE, SETTLED)} | {
    UPDATED: ("min_updated_ts",)
}


def status_of(paper: InProcessPaper, query: str) -> int:
    with paper.client() as client:
        return client.get(f"/markets?{query}").status_code


@pytest.mark.parametrize(("word", "status"), list(itertools.product(ALLOWED, ("", *STATUSES))))
def test_time_filters_go_with_the_statuses_of_the_table_alone(paper: InProcessPaper, word: str, status: str) -> None:
    expected = 200 if status in ALLOWED[word] else 400

    for name in NAMES[word]:
        assert status_of(paper, f"{name}=1&status={status}") == expected


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(ALLOWED, 2)))
def test_time_filters_of_two_kinds_exclude_each_other(paper: InProcessPaper, one: str, other: str) -> None:
    for first, second in itertools.product(NAMES[one], NAMES[other]):
        assert status_of(paper, f"{first}=1&{second}=1") == 400


@pytest.mark.parametrize("word", [CREATED, CLOSE, SETTLED])
def test_both_ends_of_one_kind_go_together(paper: InProcessPaper, word: str) -> None:
    first, second = NAMES[word]

    assert status_of(paper, f"{first}=1&{second}=2") == 200


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (f"event_ticker={EVENT}", 400),
        (f"series_ticker={SERIES}", 400),
        (f"tickers={LINEAR}", 400),
        ("mve_filter=only", 400),
        ("mve_filter=exclude", 200),
        ("limit=5", 200),
    ],
)
def test_the_update_filter_goes_with_nothing_but_leaving_out_combos(
    paper: InProcessPaper, other: str, expected: int
) -> None:
    assert status_of(paper, f"min_updated_ts=1&{other}") == expected


@pytest.mark.parametrize(
    "query",
    [
        "status=open,closed", "status=active", "mve_filter=include", "limit=-1", "limit=1001", "limit=ten", "limit=",
        f"event_ticker={EVENT},{EVENT}", "min_close_ts=1.5", "min_close_ts=1_0", "min_close_ts=",
        "cursor=!", "cursor=e30=", "tickers=" + ",".join(f"T{n}" for n in range(1_001)),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_a_400_that_names_it(paper: InProcessPaper, query: str) -> None:
    with paper.client() as client:
        answer = client.get(f"/markets?{query}")

    assert answer.status_code == 400
    assert answer.json()["details"] == query.partition("=")[0]


def test_a_limit_of_zero_is_the_default(paper: InProcessPaper) -> None:
    with paper.client() as client:
        assert len(client.get("/markets?limit=0").json()["markets"]) == 4


def test_time_filters_select(paper: InProcessPaper) -> None:
    now_s = paper.clock.now_ms() // 1000
    paper.clock.step(10_000)
    for step in ({"action": "close_early"}, {"action": "determine", "result": "no"}, {"action": "settle"}):
        paper.control("POST", "/market", {"ticker": LINEAR_2} | step)
    paper.control("POST", "/market", {"ticker": DECI, "action": "close_at", "close_ms": (now_s + 3_600) * 1000})

    with paper.client() as client:

        def found(query: str) -> list[str]:
            return [market["ticker"] for market in client.get(f"/markets?{query}").json()["markets"]]

        assert found(f"min_settled_ts={now_s}") == [LINEAR_2]
        assert found(f"max_settled_ts={now_s}") == []
        assert found(f"max_close_ts={now_s + 3_600}") == [LINEAR_2, DECI]
        assert found(f"min_close_ts={now_s + 3_601}&status=") == [LINEAR, TAPERED]
        assert found(f"min_updated_ts={now_s + 1}") == [LINEAR_2, DECI]
        assert found(f"min_created_ts={now_s}") == []
        assert found("status=settled") == [LINEAR_2]
        assert found("mve_filter=only") == []


def _all_pages(client: httpx.Client, path: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        body = client.get(f"{path}&cursor={cursor}").json()
        rows += body[key]
        cursor = body["cursor"]
        if not cursor:
            return rows


def test_pages_hold_every_market_once(paper: InProcessPaper) -> None:
    for template in ("KXHIGHNY", "KXFED", "KXBTCD"):
        list_template(paper.exchange, template)
    with paper.client() as client:
        rows = _all_pages(client, "/markets?limit=3", "markets")
        events = _all_pages(client, "/events?limit=1", "events")

    assert sorted(row["ticker"] for row in rows) == sorted(paper.exchange.markets)
    assert sorted(row["event_ticker"] for row in events) == sorted(paper.exchange.events)


def test_a_market_that_leaves_a_filter_between_two_pages_hides_no_other(paper: InProcessPaper) -> None:
    with paper.client() as client:
        first = client.get("/markets?status=open&limit=2").json()
        paper.exchange.pause_market(LINEAR)
        second = client.get(f"/markets?status=open&limit=2&cursor={first['cursor']}").json()

    assert [row["ticker"] for row in first["markets"] + second["markets"]] == [LINEAR, LINEAR_2, DECI, TAPERED]


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=6)


@settings(deadline=None)
@given(rows=st.sets(names, max_size=20), size=st.integers(1, 5), data=st.data())
def test_rows_that_stay_come_exactly_once_whatever_comes_and_goes(
    rows: set[str], size: int, data: st.DataObject
) -> None:
    stays = set(rows)
    seen: list[str] = []
    cursor = ""
    while True:
        shown, cursor = page_by_key(list(rows), {"cursor": [cursor]} if cursor else {}, size=size, key=str)
        seen += shown
        if not cursor:
            break
        gone = data.draw(st.sets(st.sampled_from(sorted(rows)), max_size=2)) if rows else set()
        rows = (rows - gone) | data.draw(st.sets(names, max_size=1))
        stays -= gone

    assert len(seen) == len(set(seen))
    assert stays <= set(seen)


def test_the_schedule_and_the_announcements_tell_the_maintenance_that_is_kept() -> None:
    paper = InProcessPaper(now_ms=1_790_000_000_000)
    with paper.client() as client:
        (always,) = client.get("/exchange/announcements").json()["announcements"]
        open_days = client.get("/exchange/schedule").json()["schedule"]["standard_hours"][0]
        paper.control("POST", "/maintenance", {"window": "exchange"})
        announced = client.get("/exchange/announcements").json()["announcements"]
        schedule = client.get("/exchange/schedule").json()["schedule"]
        window = paper.exchange.maintenance_window
        assert window is not None
        paper.clock.step(window.start_ms - 3_600_000 - paper.clock.now_ms())
        near = client.get("/exchange/announcements").json()["announcements"]

    assert always["status"] == "active"
    assert open_days["thursday"] == open_days["monday"]
    assert [row["close_time"] for row in schedule["standard_hours"][0]["thursday"]] == ["03:00", "23:59"]
    assert len(schedule["maintenance_windows"]) == 4
    assert [(row["type"], row["status"]) for row in announced] == [("info", "active"), ("warning", "inactive")]
    assert near[1]["status"] == "active"
