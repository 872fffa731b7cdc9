"""Replay: the same stored requests and accepts under other terms, decided from what was kept alone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.timestamps import to_unix_ms, utc_now
from apps.paper.testing import DECI, LINEAR
from apps.rfq.models import Quote, QuoteDecision, QuoteRule
from apps.rfq.services.fair import FairSource, Touch
from apps.rfq.services.marks import Mark, marks_set
from apps.rfq.services.replay import rule_replay
from apps.rfq.services.rule_book import rule_book_read
from apps.rfq.services.rule_upkeep import quotes_follow
from tests.rfq.test_rules import TERMS, Grid, grid, hit

__all__ = ["grid"]


def again(grid: Grid, rule: QuoteRule, over: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    now = utc_now()
    found: dict[str, Any] = rule_replay(
        grid.scene.quoter,
        rule,
        terms=TERMS | (over or {}),
        start=now - timedelta(hours=1),
        end=now + timedelta(hours=1),
        **more,
    )
    return found


def test_the_same_terms_differ_in_nothing(grid: Grid) -> None:
    rule = grid.rule()
    grid.request()
    grid.request(DECI, contracts=5_000)
    grid.decide()
    grid.touches.clear()  # nothing of today is looked at

    found = again(grid, rule)
    assert (found["looked_at"], found["differ"], found["rows"], found["is_whole"]) == (2, 0, [], True)
    assert found["reasons"]["before"] == found["reasons"]["after"] == {"quoted": 1, "too_big": 1}


def test_other_terms_show_what_would_differ(grid: Grid) -> None:
    rule = grid.rule()
    first = grid.request()
    second = grid.request(DECI, contracts=5_000)
    grid.decide()

    found = again(grid, rule, {"edge_yes": "0.05", "max_contracts": "9000", "max_at_risk": "9000"})
    rows = {row["rfq_id"]: row for row in found["rows"]}
    assert found["quoted"] == {"before": 1, "after": 2}
    assert (rows[first]["before"]["yes_bid"], rows[first]["after"]["yes_bid"]) == ("0.4000", "0.3700")
    assert (rows[second]["before"]["reason"], rows[second]["after"]["action"]) == ("too_big", "quote")


def test_a_match_that_became_narrower_hands_requests_on(grid: Grid) -> None:
    rule = grid.rule()
    grid.request()
    grid.decide()

    (row,) = again(grid, rule, {"match": {"max_contracts": "10"}})["rows"]
    assert row["after"] == {
        "action": "pass",
        "reason": "unmatched",
        "text": row["after"]["text"],
        "yes_bid": None,
        "no_bid": None,
    }


def test_a_match_that_became_wider_takes_from_later_rules(grid: Grid) -> None:
    first = grid.rule(over={"match": {"max_contracts": "10"}}, name="First")
    second = grid.rule(name="Second")
    grid.request()
    grid.decide()

    (row,) = again(grid, first, {"edge_yes": "0.04"})["rows"]
    assert (row["rule"]["name"], row["after"]["yes_bid"]) == ("Second", "0.3800")
    assert again(grid, second)["looked_at"] == 1
    assert again(grid, first, {"match": {"max_contracts": "10"}})["looked_at"] == 0


def test_another_source_uses_the_value_that_it_had_then(grid: Grid) -> None:
    marks_set(grid.scene.quoter, [Mark(LINEAR, Decimal("0.60"))], FairSource.MANUAL)
    rule = grid.rule()
    grid.request()
    grid.request(DECI)
    grid.decide()
    marks_set(grid.scene.quoter, [Mark(LINEAR, Decimal("0.10"))], FairSource.MANUAL)

    rows = {row["ticker"]: row for row in again(grid, rule, {"fair": "manual"})["rows"]}
    assert rows[LINEAR]["after"]["yes_bid"] == "0.5800"
    assert rows[DECI]["after"]["reason"] == "no_fair"


@pytest.mark.parametrize(
    ("over", "outcome", "change"),
    [
        ({}, "kept", "0.0000"),
        ({"edge_yes": "0.01"}, "kept", "0.5000"),  # 50 contracts, a cent more
        ({"edge_yes": "0.03"}, "doubtful", "0.0000"),
        ({"sides": "no"}, "lost", "0.0000"),
        ({"max_contracts": "10"}, "lost", "0.0000"),
    ],
)
def test_accepts_are_kept_doubtful_or_lost(grid: Grid, over: dict[str, Any], outcome: str, change: str) -> None:
    rule = grid.rule()
    grid.request()
    grid.decide()
    hit(grid, Quote.objects.get(), "executed")

    accepts = again(grid, rule, over)["accepts"]
    assert (accepts["n"], accepts[outcome], accepts["paid_change"]) == (1, 1, change)


def test_a_quote_that_was_priced_anew_is_accepted_once(grid: Grid) -> None:
    rule = grid.rule(over={"reprice_move": "0.01"})
    grid.request()
    grid.decide()
    grid.touches[LINEAR] = Touch(Decimal("0.50"), Decimal("0.54"))

    quotes_follow(rule_book_read().all(), grid.engine)
    grid.scene.work()
    hit(grid, Quote.objects.get(state="open"), "executed")

    found = again(grid, rule)
    assert (found["looked_at"], found["accepts"]["n"]) == (2, 1)


def test_it_says_when_it_did_not_look_at_everything(grid: Grid) -> None:
    rule = grid.rule()
    grid.request()
    grid.decide()
    found = again(grid, rule, budget_seconds=-1.0)

    assert (found["looked_at"], found["is_whole"]) == (0, False)


def test_what_cannot_be_read_any_more_is_counted(grid: Grid) -> None:
    rule = grid.rule()
    grid.request()
    grid.decide()
    QuoteDecision.objects.update(inputs={})

    assert again(grid, rule)["unreadable"] == 1


def test_the_command_reads_its_period(grid: Grid) -> None:
    rule = grid.rule()
    grid.request()
    grid.decide()
    run = ports.commands["rule.replay"].handler
    now_ms = to_unix_ms(utc_now())
    key = f"rule:{rule.pk}"

    assert run(grid.scene.quoter, {"rule": key})["replay"]["looked_at"] == 1
    past = {"rule": key, "from_ms": now_ms - 7_200_000, "to_ms": now_ms - 3_600_000}
    assert run(grid.scene.quoter, past)["replay"]["looked_at"] == 0
    for params in (
        {"rule": key, "from_ms": now_ms, "to_ms": now_ms - 1},
        {"rule": key, "from_ms": now_ms - 9 * 86_400_000},
        {"rule": key, "from_ms": "yesterday"},
        {"rule": key, "terms": {"fair": "luck"}},
        {"rule": "rule:999999"},
    ):
        with pytest.raises(DeskError):
            run(grid.scene.quoter, params)
    with pytest.raises(DeskError):
        run(grid.scene.place.viewer, {"rule": key})
