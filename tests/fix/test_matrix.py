"""The fault matrix of FIX, D1 to D30: each case has a test called `test_dN_..`, here or where its part is tested.

Here the paper exchange plays the fault on demand, or the written conversations that carry the number are played.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.timestamps import utc_now
from apps.fix.engine.codec import encode
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.outputs import End as Reason
from apps.fix.engine.outputs import Ended, Noted, Transmit
from apps.fix.engine.rules import Kind
from apps.fix.engine.values import timestamp_write
from apps.fix.messages.common import ExecId
from apps.fix.messages.drop_copy import Recovery, Result
from apps.fix.messages.orders import NewOrder
from apps.fix.models import FixExecution, FixRecovery
from apps.fix.records import recovery_finish
from apps.orders.models import Fill, Order
from apps.paper.fix.faults import CORRUPTIONS
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import LINEAR, InProcessPaper
from tests.fix.drill import DOLLARS, End
from tests.fix.engine.talk import Case, Talk, cases
from tests.fix.test_outage_drill import NOON_MS, same_as_exchange
from tests.orders.conftest import Place

BIG = 2**62


def told(number: int) -> Any:
    """The written conversations of one case of the matrix."""
    found = [case for case in cases() if f"D{number}" in case.name.split()]
    assert found, f"no conversation is marked D{number}"
    return pytest.mark.parametrize("case", found, ids=str)


class Ears(End):
    """An end that keeps what it was told beside the messages."""

    def __post_init__(self) -> None:
        self.events: list[Any] = []
        self.logons: list[Any] = []
        super().__post_init__()

    def took(self, outputs: list[Any]) -> None:
        self.logons += [one.fields for one in outputs if isinstance(one, Transmit) and one.msg_type == "A"]
        self.events += [one for one in outputs if isinstance(one, Ended | Noted)]
        super().took(outputs)

    def send_unguarded(self, kind: str, fields: list[tuple[int, str]]) -> None:
        """As a desk whose own guard is broken would send it."""
        assert self.link is not None
        config = self.session.config
        header = [(35, kind), (49, config.sender_comp_id), (56, config.kind.value)]
        header += [(34, str(self.session.next_out)), (52, timestamp_write(self.now))]
        self.link.feed(encode([*header, *fields]))

    def reasons(self) -> list[Reason]:
        return [one.end for one in self.events if isinstance(one, Ended)]


@pytest.fixture
def fix() -> InProcessFix:
    return InProcessFix(InProcessPaper(now_ms=NOON_MS))


@pytest.fixture
def listener(fix: InProcessFix, place: Place, queued: Any, tmp_path: Path) -> Any:
    def make(kind: Kind) -> Ears:
        one = Ears(fix, place.account, "reader", kind, LogonFlags.listening(), tmp_path / "l.fix")
        one.connect()
        return one

    return make


def happens(fix: InProcessFix, *prices: str) -> None:
    """Orders of the account by other ways than FIX."""
    for price in prices:
        body = {"action": "place", "member": "trader-1", "ticker": LINEAR, "side": "bid", "count": "2.00"}
        fix.paper.control("POST", "/external", body | {"price": price})


def fault(fix: InProcessFix, kind: str, session: Kind, **more: Any) -> None:
    fix.paper.control("POST", "/fix/fault", {"kind": kind, "session": session.value, "msg_type": "8"} | more)


def in_the_end(fix: InProcessFix, line: Ears, *, recovers: bool = False) -> None:
    """Whatever it takes: listen, log on again, and store. The desk then has what the exchange has."""
    for _ in range(6):
        if not line.is_up:
            line.connect()
        line.listen()
        line.store_all()
        fix.step(1_000)
        if line.is_up:
            line.took(line.session.tick(line.now))
    if not recovers:
        same_as_exchange(fix, line.account, fix.paper.user_id("trader-1"))


def test_d1_a_gap_is_asked_for_once_and_comes_in_order(fix: InProcessFix, listener: Any) -> None:
    line = listener(Kind.RT)
    fault(fix, "swallow", Kind.RT, count=2)
    happens(fix, "0.1000", "0.1100", "0.1200", "0.1300")
    line.listen()
    asked = [row for row in fix.gateway.log if row[4] == "2" and row[1] == "KalshiRT"]
    assert len(asked) == 1
    in_the_end(fix, line)


def test_d2_a_gap_without_resend_ends_in_a_new_logon_and_a_recovery(fix: InProcessFix, listener: Any) -> None:
    line = listener(Kind.NR)
    happens(fix, "0.1000")
    line.listen()
    line.store_all()
    fault(fix, "swallow", Kind.NR)
    happens(fix, "0.1100", "0.1200")
    line.listen()
    assert Reason.GAP in line.reasons()
    line.connect()
    assert (141, "Y") in line.logons[-1]


@pytest.mark.parametrize("kind", [Kind.RT, Kind.NR])
def test_d3_a_number_too_low_is_not_processed(fix: InProcessFix, listener: Any, kind: Kind) -> None:
    line = listener(kind)
    happens(fix, "0.1000")
    line.listen()
    line.store_all()
    before = FixExecution.objects.count()
    fault(fix, "old_seq", kind)
    happens(fix, "0.1100")
    line.listen()
    line.store_all()
    assert (line.reasons(), FixExecution.objects.count()) == ([Reason.NUMBERS], before)
    assert any(one.is_alarm for one in line.events if isinstance(one, Noted))


@pytest.mark.parametrize("kind", ["repeat", "poss_dup", "poss_resend"])
def test_d4_duplicates_are_ignored_or_checked_by_their_exec_id(fix: InProcessFix, listener: Any, kind: str) -> None:
    line = listener(Kind.RT)
    fault(fix, kind, Kind.RT, count=2)
    happens(fix, "0.1000", "0.1100")
    in_the_end(fix, line)
    assert Order.objects.count() == 2


def test_d15_what_drop_copy_lacks_is_not_inferred(fix: InProcessFix, listener: Any) -> None:
    """Rejected orders and pending reports are in no replay: the store of reports has none to tell."""
    line = listener(Kind.NR)
    trader = End(fix, line.account, "trader-1", Kind.RT, LogonFlags(), line.store.with_name("t.fix"))
    trader.connect()
    trader.send("D", NewOrder("far", LINEAR, "bid", Decimal("0.1"), Decimal(999_999)).fields(DOLLARS))
    trader.listen()
    assert [one.message.text(150) for one in trader.waiting if one.message.msg_type == "8"][-1] == "8"
    trader.store_all()
    reports = fix.store.reports(fix.paper.user_id("trader-1"), (0, 0), (BIG, BIG))
    assert (reports, Order.objects.count(), FixExecution.objects.count()) == ([], 0, 0)


@told(18)
def test_d18_the_rules_of_the_session_decide_about_141(case: Case) -> None:
    Talk(case).play()


@told(19)
def test_d19_a_clock_that_is_off_ends_the_session_without_a_loop(case: Case) -> None:
    Talk(case).play()


@told(20)
def test_d20_a_refused_signature_is_no_loop(case: Case) -> None:
    Talk(case).play()


@told(21)
def test_d21_a_listener_sends_nothing(case: Case) -> None:
    Talk(case).play()


def test_d21_a_listener_that_is_made_to_send_is_refused_on_both_sides(fix: InProcessFix, listener: Any) -> None:
    line = listener(Kind.NR)
    order = NewOrder("d21", LINEAR, "bid", Decimal("0.1"), Decimal(1)).fields(DOLLARS)
    with pytest.raises(SendRefused, match="listener"):
        line.send("D", order)
    line.send_unguarded("D", order)
    line.listen()
    assert [one.message.msg_type for one in line.waiting][-1] == "j"
    assert not [one for one in fix.paper.exchange.all_orders.values() if one.client_order_id == "d21"]


@told(22)
def test_d22_a_lost_heartbeat_is_made_good(case: Case) -> None:
    Talk(case).play()


@pytest.mark.parametrize("kind", [Kind.RT, Kind.NR])
def test_d22_silence_ends_within_two_and_a_half_intervals(fix: InProcessFix, listener: Any, kind: Kind) -> None:
    line = listener(kind)
    fix.paper.control("POST", "/fix/session", {"how": "silence", "session": kind.value})
    began = line.now
    while line.is_up:
        fix.step(500)
        line.took(line.session.tick(line.now))
        line.listen()
    assert line.reasons() == [Reason.SILENT]
    assert line.now - began <= 2.5 * 30_000
    line.link.hang_up()
    in_the_end(fix, line)


@told(23)
def test_d23_odd_but_whole_messages_are_taken(case: Case) -> None:
    Talk(case).play()


@pytest.mark.parametrize("how", sorted(CORRUPTIONS))
def test_d23_a_damaged_report_is_ignored_or_rejected_and_nothing_is_lost(
    fix: InProcessFix, listener: Any, how: str
) -> None:
    line = listener(Kind.RT)
    fault(fix, "corrupt", Kind.RT, how=how)
    happens(fix, "0.1000", "0.1100", "0.1200")
    # A report that was rejected or skipped is no hole of ours: the desk reads the account. What came is right.
    in_the_end(fix, line, recovers=True)
    assert line.is_up
    known = {one.order_id: one.status for one in fix.paper.exchange.all_orders.values()}
    mine = dict(Order.objects.values_list("order_id", "status"))
    assert mine.items() <= known.items()
    assert len(mine) >= 2
    assert not Fill.objects.exists()


@told(25)
def test_d25_what_was_sent_is_filled_and_no_order_goes_again(case: Case) -> None:
    Talk(case).play()


@told(26)
def test_d26_an_endless_resend_is_left(case: Case) -> None:
    Talk(case).play()


@told(27)
def test_d27_what_is_kept_no_longer_is_no_loop(case: Case) -> None:
    Talk(case).play()


def test_d27_and_d11_a_window_that_is_lost_is_on_record_and_read(place: Place, listener: Any, queued: Any) -> None:
    line = listener(Kind.NR)
    row = FixRecovery.objects.create(
        account=place.account, begin="4;7", why="down for a week", state="running", created_at=utc_now()
    )
    recovery = Recovery(ExecId(4, 7), result=Result.WINDOW_LOST, text="older than three hours")
    recovery_finish(line._wish(), row.pk, recovery)
    row.refresh_from_db()
    assert row.state == "window_lost"
    assert ("account_orders_sync", place.account.pk) in queued
    assert AuditEntry.objects.filter(action="fix.recovery.finished").count() == 1


def test_every_case_of_the_matrix_has_a_test_by_name() -> None:
    names = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    found = {int(number) for name in re.findall(r"def test_(d\d+\w*)", names) for number in re.findall(r"d(\d+)", name)}
    assert set(range(1, 31)) <= found
