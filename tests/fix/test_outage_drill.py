"""The outage drill: execution reports over a listener and an order session that are cut and killed at random.

KalshiRT recovers by resend, KalshiNR by drop copy. At the end the desk's orders, fills and execution ids are the
exchange's: nothing missing, nothing twice. The clock is the test's; the same seed cuts at the same places.
"""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import ExchangeAccount
from apps.fix import records
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind
from apps.fix.messages.common import ExecId
from apps.fix.models import FixExecution, FixRecovery
from apps.orders.models import Fill, Order
from apps.paper.fix.reports import Report
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import InProcessPaper
from tests.fix.drill import End, Market, copy_session, open_recoveries
from tests.orders.conftest import Place

NOON_MS = 1_795_021_200_000  # Wednesday, 2026-11-18, noon in New York
STATUS = {"resting": "resting", "canceled": "canceled", "executed": "executed"}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, queued: list[Any]) -> None:
    """Nobody looks at a page."""
    monkeypatch.setattr("apps.exchange.live.publish_rows", lambda *_, **__: None)
    monkeypatch.setattr("apps.exchange.live.publish", lambda *_, **__: None)


def drill(
    account: ExchangeAccount, folder: Path, kind: Kind, *, reports: int, seed: int, busy: int = 40
) -> dict[str, int]:
    """Run until the exchange has told `reports` reports, `busy` things at most at a time; return what happened."""
    dice = random.Random(seed)
    fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
    user = fix.paper.user_id("trader-1")
    quick = {"skip_pending": True}
    maker = End(fix, account, "maker", Kind.NR, LogonFlags(**quick), folder / "m.fix")
    trader = End(fix, account, "trader-1", kind, LogonFlags(**quick), folder / "t.fix")
    listener = End(fix, account, "reader", kind, LogonFlags.listening(), folder / "l.fix")
    copy = End(fix, account, "reader", Kind.DC, LogonFlags(), folder / "c.fix")
    for one in (maker, trader, listener):
        one.connect()
    market = Market(trader, maker, dice)
    done = {"cuts": 0, "kills": 0, "both": 0}
    told = [0]
    hear = fix.gateway.tape.on_report

    def count(report: Report) -> None:
        told[0] += report.user_id == user
        hear(report)

    fix.gateway.tape.on_report = count
    while told[0] < reports:
        for _ in range(dice.randrange(1, busy)):
            market.happen()
        _step(fix, [maker, trader, listener], dice)
        for one in (trader, listener):
            fate = dice.random()
            if one.is_up and fate < 0.15:
                one.cut(dice)
                done["cuts"] += 1
            elif one.is_up and fate < 0.25:
                one.kill(dice)
                done["kills"] += 1
        done["both"] += not trader.is_up and not listener.is_up
        if kind is Kind.NR:
            _recover(copy, listener)
        for one in (trader, listener):
            if not one.is_up and dice.random() < 0.6:
                one.connect()
    for one in (trader, listener):
        if not one.is_up:
            one.connect()
        one.listen()
        one.store_all()
    if kind is Kind.NR:
        listener.cut(dice)
        while open_recoveries(account):
            _recover(copy, listener)
    same_as_exchange(fix, account, user)
    return done | {"reports": told[0], "heard": trader.heard + listener.heard + copy.heard}


def _step(fix: InProcessFix, lines: list[End], dice: random.Random) -> None:
    """A second passes; who listens stores now and then, so that a kill finds something that was not."""
    fix.step(1_000)
    for one in lines:
        if one.is_up:
            one.took(one.session.tick(one.now))
            one.listen()
            if dice.random() < 0.7:
                one.store_all()


def _recover(copy: End, listener: End) -> None:
    """The drop copy session takes the reader's key while the listener is down: one connection per key."""
    if listener.is_up or not open_recoveries(copy.account):
        return
    copy.connect()
    for _ in range(40):
        copy.recover()
        copy.listen()
        copy.store_all()
        if copy.recovery is None:
            break
        copy.fix.step(1_000)
    copy.took(copy.session.logout(copy.now))
    copy.listen()
    copy.fix.step(1_000)


def same_as_exchange(fix: InProcessFix, account: ExchangeAccount, user: str) -> None:
    truth = [ExecId(one.batch, one.place) for one in fix.store.reports(user, (0, 0), (2**62, 2**62))]
    known = FixExecution.objects.filter(account=account).order_by("first", "second").values_list("first", "second")
    assert [ExecId(*pair) for pair in known] == sorted(truth)
    member = fix.paper.exchange.members[user]
    theirs = {
        one.order_id: (STATUS[one.status], Decimal(one.filled) / 100, Decimal(one.remaining) / 100)
        for one in member.orders
    }
    rows = Order.objects.filter(account=account)
    assert {one.order_id: (one.status, one.filled_count, one.remaining_count) for one in rows} == theirs
    fills = sorted((one.trade_id, one.order_id, Decimal(one.count) / 100) for one in member.fills)
    assert sorted(Fill.objects.filter(account=account).values_list("trade_id", "order_id_text", "count")) == fills


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", [Kind.RT, Kind.NR])
def test_an_outage_drill(place: Place, tmp_path: Path, kind: Kind) -> None:
    copy_session(place.account)
    done = drill(place.account, tmp_path, kind, reports=80, seed=3, busy=12)

    assert min(done["cuts"], done["kills"], done["both"]) >= 1, done
    by_copy = FixExecution.objects.filter(source="dc").count()
    assert (by_copy > 0) == (kind is Kind.NR), "what nobody heard came by drop copy alone"


@pytest.mark.long
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", [Kind.RT, Kind.NR])
@pytest.mark.parametrize(
    ("reports", "busy", "least"), [(1_000, 20, 4), pytest.param(10_000, 40, 20, marks=pytest.mark.drill)]
)
def test_a_long_outage_drill(place: Place, tmp_path: Path, kind: Kind, reports: int, busy: int, least: int) -> None:
    copy_session(place.account)
    done = drill(place.account, tmp_path, kind, reports=reports, seed=2026, busy=busy)

    assert done["reports"] >= reports
    assert done["heard"] > done["reports"], "told by more than one session"
    assert min(done["cuts"], done["kills"], done["both"]) >= least, done
    if kind is Kind.NR:
        assert FixRecovery.objects.filter(state="complete").count() >= least


@pytest.mark.usefixtures("quiet")
def test_a_hole_made_while_a_recovery_runs_is_asked_for_too(place: Place, tmp_path: Path) -> None:
    """The range that is under way ends before it: the recovery runs again, and counts none twice."""
    copy_session(place.account)
    fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
    flags = LogonFlags(skip_pending=True)
    trader = End(fix, place.account, "trader-1", Kind.NR, flags, tmp_path / "t.fix")
    copy = End(fix, place.account, "reader", Kind.DC, LogonFlags(), tmp_path / "c.fix")
    market = Market(trader, trader, random.Random(1))
    trader.connect()
    market.bid()
    trader.listen()
    trader.store_all()
    records.hole_mend(place.account.pk, "the first hole")
    copy.connect()
    copy.recover()
    copy.listen()
    market.bid()
    trader.kill(random.Random(1))  # what it heard of the second order is gone
    trader.connect()
    copy.store_all()
    assert open_recoveries(place.account), "the first answer did not know of the second order"
    copy.recover()
    copy.listen()
    copy.store_all()

    assert not open_recoveries(place.account)
    same_as_exchange(fix, place.account, fix.paper.user_id("trader-1"))
