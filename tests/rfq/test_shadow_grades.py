"""Rules in the shadow are graded a minute later against the tape: once, in time, and shown with how many."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.timestamps import to_unix_ms
from apps.orders.services.quotes import Quotes
from apps.paper.testing import LINEAR
from apps.rfq.models import QuoteDecision, ShadowGrade
from apps.rfq.selectors.rules import decision_rows_of, rule_rows_of
from apps.rfq.services import shadow_grades
from apps.rfq.services.shadow_grades import AFTER, LATE, shadow_grades_sweep, wanted_tickers
from tests.orders.conftest import Published
from tests.rfq.test_rules import Grid, grid

__all__ = ["grid"]


class Tape:
    """The market's prints, and the middle of its book; None: not followed."""

    def __init__(self) -> None:
        self.trades: list[dict[str, Any]] | None = []
        self.quotes: Quotes | None = Quotes(bid=Decimal("0.42"), ask=Decimal("0.46"))

    def read(self, topic: str) -> tuple[int, dict[str, Any]] | None:
        assert topic == f"tape:paper:{LINEAR}"
        return None if self.trades is None else (1, {"trades": self.trades})

    def print(self, price: str, side: str, at: datetime, count: str = "50.00") -> None:
        assert self.trades is not None
        self.trades.append({"id": "t", "price": price, "count": count, "side": side, "ts_ms": to_unix_ms(at)})


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    built = Tape()
    monkeypatch.setattr(shadow_grades.live, "state_read", built.read)
    monkeypatch.setattr(shadow_grades, "quotes_of", lambda environment, ticker: built.quotes)
    return built


def decided(grid: Grid) -> QuoteDecision:
    """A rule in the shadow would quote 40 YES and 56 NO for 50 contracts."""
    grid.rule("shadow")
    grid.request()
    (decision,) = grid.decide()
    assert shadow_grades_sweep(now=decision.decided_at) == 0
    return decision


def due(decision: QuoteDecision, *, late: timedelta = timedelta()) -> datetime:
    return decision.decided_at + AFTER + late


def test_it_is_graded_once_and_shown(grid: Grid, tape: Tape, published: Published) -> None:
    decision = decided(grid)
    assert wanted_tickers("paper") == {LINEAR}
    assert shadow_grades_sweep(now=due(decision) - timedelta(seconds=1)) == 0
    tape.print("0.3800", "no", decision.decided_at + timedelta(seconds=3))
    published.frames.clear()

    assert shadow_grades_sweep(now=due(decision)) == 1
    assert shadow_grades_sweep(now=due(decision)) == 0

    (row,) = decision_rows_of(grid.scene.place.account.pk).values()
    assert (row["v"], row["grade"]) == (
        2,
        {
            "standing": "won",
            "side": "yes",
            "contracts": "50.00",
            "print_yes": "0.3800",
            "yes_mid": "0.4400",
            "made": "2.0000",
            "why_not": "",
        },
    )
    (rule,) = rule_rows_of(grid.scene.place.account.pk).values()
    assert rule["counts"]["shadow"] == {
        "graded": 1,
        "won": 1,
        "tied": 0,
        "lost": 0,
        "no_print": 0,
        "valued": 1,
        "made": "2.0000",
    }
    assert [one and one["grade"]["standing"] for one in published.rows("decisions")] == ["won"]
    assert wanted_tickers("paper") == set()


@pytest.mark.parametrize(
    ("price", "side", "standing"), [("0.4000", "no", "tied"), ("0.4100", "no", "lost"), ("0.4300", "yes", "lost")]
)
def test_what_would_not_have_won_made_nothing(grid: Grid, tape: Tape, price: str, side: str, standing: str) -> None:
    decision = decided(grid)
    tape.print(price, side, decision.decided_at + timedelta(seconds=3))
    shadow_grades_sweep(now=due(decision))

    grade = ShadowGrade.objects.get()
    assert (grade.standing, grade.made) == (standing, None)


def test_without_a_print_a_book_a_tape_or_in_time_it_says_what_was_missing(grid: Grid, tape: Tape) -> None:
    decision = decided(grid)
    shadow_grades_sweep(now=due(decision))
    assert ShadowGrade.objects.values_list("standing", "why_not").get() == ("no_print", "")

    def again(**over: Any) -> tuple[str, str]:
        ShadowGrade.objects.update(graded_at=None, standing="", why_not="")
        shadow_grades_sweep(now=due(decision, **over))
        standing, why_not = ShadowGrade.objects.values_list("standing", "why_not").get()
        return str(standing), str(why_not)

    tape.print("0.3800", "no", decision.decided_at + timedelta(seconds=3))
    tape.quotes = None
    assert again() == ("won", shadow_grades.NO_BOOK)
    assert again(late=LATE + timedelta(seconds=1)) == ("", shadow_grades.TOO_LATE)
    tape.trades = None
    assert again() == ("", shadow_grades.NO_TAPE)
    (rule,) = rule_rows_of(grid.scene.place.account.pk).values()
    assert rule["counts"]["shadow"]["graded"] == 0


def test_a_trade_of_the_tape_that_cannot_be_read_is_left_out(grid: Grid, tape: Tape) -> None:
    decision = decided(grid)
    tape.trades = [{"price": "x"}, {}, {"id": "t", "price": "0.3800", "count": "50.00", "side": "both", "ts_ms": 1}]
    tape.print("0.3800", "no", decision.decided_at + timedelta(seconds=3))
    shadow_grades_sweep(now=due(decision))

    assert ShadowGrade.objects.get().standing == "won"


def test_an_armed_rule_is_not_graded(grid: Grid, tape: Tape) -> None:
    grid.rule("armed")
    grid.request()
    (decision,) = grid.decide()
    shadow_grades_sweep(now=decision.decided_at)

    assert not ShadowGrade.objects.exists()
