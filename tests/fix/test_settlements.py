"""Settlement reports joined to REST's settlements: whole ones only, and a difference is a break."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.core.timestamps import utc_now
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind
from apps.fix.settlements import Settlements
from apps.history.models import Discrepancy, ReconcileRun, Sighting
from apps.history.pages.reconciliation import _compared
from apps.history.reconcile import Comparison, _keep, _settlements
from apps.history.reconcile_fix import LISTED_WITHIN, found_by
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import LINEAR, InProcessPaper
from apps.portfolio.models import Settlement
from tests.fix.conftest import trade
from tests.fix.drill import End
from tests.orders.conftest import Place

NOON_MS = 1_795_021_200_000


@pytest.fixture
def told(place: Place, tmp_path: Path) -> Any:
    """What KalshiPT said of a market in which the account held 10 YES in one subaccount and 4 in another."""
    fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
    line = End(fix, place.account, "trader-1", Kind.PT, LogonFlags(), tmp_path / "p.fix")
    line.connect()
    for name, side, count in (("maker", "ask", "10.00"), ("trader-1", "bid", "10.00")):
        body = {"action": "place", "member": name, "ticker": LINEAR, "side": side, "price": "0.4000", "count": count}
        fix.paper.control("POST", "/external", body)
    for body in ({"action": "close_early"}, {"action": "determine", "result": "yes"}, {"action": "settle"}):
        fix.paper.control("POST", "/market", {"ticker": LINEAR} | body)
    line.listen()
    return [one.message for one in line.waiting]


def rest_row(place: Place, **over: Any) -> Settlement:
    values = {
        "ticker": LINEAR, "result": "yes", "yes_count": 10, "yes_cost": 4, "no_count": 0, "no_cost": 0,
        "revenue": 10, "value": 1, "settled_at": utc_now(), "first_seen_at": utc_now(), "source": "rest",
    }  # fmt: skip
    return Settlement.objects.create(account=place.account, **values | over)


def compare(place: Place, *, later: timedelta = timedelta(0)) -> list[Discrepancy]:
    comparison = Comparison()
    _settlements(place.account.pk, comparison, until=utc_now() + later)
    _keep(place.account.pk, comparison, now=utc_now())
    return list(Discrepancy.objects.filter(account=place.account))


def test_a_settlement_that_both_tell_alike_is_no_break(place: Place, told: Any) -> None:
    rest_row(place)
    assert Settlements(place.account.pk).take(told, NOON_MS) == 1
    sighting = Sighting.objects.get(subject="settled")
    assert (sighting.source, sighting.data["payout"], sighting.data["yes_count"]) == ("fix", "10.00", "10.00")
    assert compare(place) == []


@pytest.mark.parametrize("over", [{"revenue": Decimal("9.99")}, {"yes_count": 9}, {"result": "no"}, {"value": 0}])
def test_a_difference_is_a_break_until_the_sources_agree(place: Place, told: Any, over: dict[str, Any]) -> None:
    row = rest_row(place, **over)
    Settlements(place.account.pk).take(told, NOON_MS)
    (found,) = compare(place)
    assert (found.kind, found.state, found.ticker) == ("differs", "open", LINEAR)
    assert set(found.sides) == {"rest", "ledger", "fix"}
    row.delete()
    rest_row(place)
    (found,) = compare(place)
    assert found.state == "resolved"


def test_rest_has_its_time_and_then_its_absence_is_a_break(place: Place, told: Any) -> None:
    Settlements(place.account.pk).take(told, int(utc_now().timestamp()) * 1000)
    assert compare(place) == []
    (found,) = compare(place, later=LISTED_WITHIN + timedelta(minutes=1))
    assert found.kind == "no_rest"


def test_sums_over_subaccounts(place: Place, told: Any) -> None:
    rest_row(place, yes_count=6, revenue=6)
    rest_row(place, subaccount=2, yes_count=4, revenue=4)
    Settlements(place.account.pk).take(told, NOON_MS)
    assert compare(place) == []


def test_d28_a_settlement_without_all_its_parts_is_told_by_rest_alone(place: Place, told: Any) -> None:
    """893=N and nothing after it: no half sum is ever compared."""
    (message,) = told
    part = type(message)([(tag, "N" if tag == 893 else value) for tag, value in message.fields])
    taker = Settlements(place.account.pk)
    assert taker.take([part, part], NOON_MS) == 0
    assert not Sighting.objects.exists()
    assert taker.parts.overdue(NOON_MS + 60_000) == [LINEAR]


def test_trades_found_by_fix_by_rest_and_by_both(place: Place, apply: Any) -> None:
    apply(trade("4;8", _880="both"), trade("4;9", _880="fix"))
    listed = ["both:o-1", "rest:o-1"]
    counts = found_by(place.account.pk, listed, ["both:o-1", "fix:o-1"])

    assert counts == {"trade_both": 1, "trade_fix": 1, "trade_rest": 1}
    words = _compared(ReconcileRun(compared={"trade": 3} | counts))
    assert "by FIX and REST 1, by FIX alone 1, by REST alone 1" in words
    assert found_by(place.account.pk, ["rest:o-1"], []) == {}, "nothing is said of an account without FIX"
