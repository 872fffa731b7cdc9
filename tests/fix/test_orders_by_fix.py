"""Orders that leave by FIX: the same services and gates as REST, at most one send, and evidence when in doubt."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import NotAllowed
from apps.core.timestamps import from_unix_ms, utc_now
from apps.exchange.wire.errors import OutcomeUnknown
from apps.exchange.wire.limits import Budget, LocalLimiter
from apps.fix import ingest, routes, routing
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind
from apps.fix.messages.orders import NewOrder
from apps.fix.models import FixCommand, FixRoute, FixSession
from apps.fix.outbox import Outbox
from apps.fix.records import messages_prune
from apps.orders.models import AccountSync, ChangeIntent, Fill, GroupAction, Order, OrderIntent
from apps.orders.services import (
    cancel_send,
    cancel_submit,
    change_send,
    change_submit,
    group_ask,
    group_create,
    group_send,
    intent_resolve,
    intent_send,
    intent_submit,
)
from apps.orders.services.change import Seen, Wish
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import LINEAR, InProcessPaper
from tests.fix.conftest import report
from tests.fix.drill import DOLLARS, End
from tests.orders.conftest import Place, commits, make_market, make_ticket, published
from tests.orders.test_paper import use_key
from tests.support.people import actor_of, make_person

__all__ = ["commits", "published"]
NOON_MS = 1_795_021_200_000
State = OrderIntent.State


@dataclass
class Desk:
    """A desk whose orders leave by KalshiNR; `wake` does at once what the gateway does."""

    place: Place
    fix: InProcessFix
    line: End
    outbox: Outbox
    row: FixSession
    is_deaf: bool = False  # the gateway takes and sends nothing
    loses_answers: bool = False  # it sends, and dies before it has written what came back

    def pump(self, session_id: int) -> None:
        assert session_id == self.row.pk
        if self.is_deaf:
            return
        for one in self.outbox.take():
            before = self.line.session.next_out
            self.line.send(one.msg_type, one.fields)
            self.outbox.by_seq[before] = one.id
        self.hear()

    def hear(self) -> None:
        self.line.listen()
        told = [one.message for one in self.line.waiting]
        if self.loses_answers:
            self.line.waiting.clear()
            return
        self.line.store_all()
        self.outbox.record(told)

    def order(self, **over: Any) -> OrderIntent:
        intent = intent_submit(self.place.trader, make_ticket(self.place, ticker=LINEAR, **over))
        intent_send(intent.pk)
        intent.refresh_from_db()
        return intent

    def sent(self, msg_type: str) -> int:
        return FixCommand.objects.filter(msg_type=msg_type).exclude(state__in=["waiting", "not_sent"]).count()

    def theirs(self) -> list[Any]:
        return list(self.fix.paper.exchange.members[self.fix.paper.user_id("trader-1")].orders)

    def others(self, side: str, price: str, count: str) -> None:
        body = {"action": "place", "member": "maker", "ticker": LINEAR, "side": side, "price": price, "count": count}
        self.fix.paper.control("POST", "/external", body)


@pytest.fixture
def desk(place: Place, published: Any, queued: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    monkeypatch.setattr("apps.orders.queue.enqueue", lambda task, *ids, **_: queued.append((task, *ids)) or True)
    fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
    use_key(fix.paper, monkeypatch, "trader-1", ("read", "write"))
    make_market(ticker=LINEAR)
    row = FixSession.objects.create(account=place.account, kind="nr", is_wanted=True, state="logged_on")
    FixRoute.objects.create(
        account=place.account, way="nr", why="a test", changed_by_id=place.trader.user_id, changed_at=utc_now()
    )
    line = End(fix, place.account, "trader-1", Kind.NR, LogonFlags(), tmp_path / "t.fix")
    line.connect()
    made = Desk(place, fix, line, Outbox(row.pk, place.account.pk), row)
    monkeypatch.setattr(routing, "wake", made.pump)
    monkeypatch.setattr(routing, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(routing, "TAKEN_WITHIN", timedelta(0))
    budget = LocalLimiter(read=Budget(1e6, 1e6), write=Budget(1e6, 1e6))
    monkeypatch.setattr(routing, "limiter_for_account", lambda account_id: budget)
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    return made


@pytest.fixture(autouse=True)
def taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands expire at once for the sender, and not for the gateway, which looks before."""
    take = Outbox.take

    def early(self: Outbox) -> Any:
        FixCommand.objects.filter(state="waiting").update(expires_at=utc_now() + timedelta(minutes=1))
        return take(self)

    monkeypatch.setattr(Outbox, "take", early)


def test_an_order_by_fix_is_acknowledged_by_its_report(desk: Desk) -> None:
    intent = desk.order()

    (theirs,) = desk.theirs()
    order = Order.objects.get()
    assert (intent.state, order.intent, order.source) == (State.ACKED, intent, "fix")
    assert (order.order_id, theirs.client_order_id) == (theirs.order_id, str(intent.client_order_id))
    assert intent.answered_at is not None
    assert (order.status, order.price, order.remaining_count) == ("resting", Decimal("0.56"), 10)
    command = FixCommand.objects.get()
    assert (command.state, command.subject, command.is_once) == ("told", f"intent:{intent.pk}", True)


@pytest.mark.parametrize(
    ("over", "status"),
    [
        ({"time_in_force": "immediate_or_cancel"}, "canceled"),
        ({"time_in_force": "good_till_canceled"}, "resting"),
        ({"time_in_force": "fill_or_kill"}, "canceled"),
        ({"time_in_force": "good_till_canceled", "count": Decimal(4)}, "executed"),
    ],
)
def test_times_in_force(desk: Desk, over: dict[str, Any], status: str) -> None:
    desk.others("ask", "0.5600", "4.00")
    intent = desk.order(**over)

    order = Order.objects.get()
    assert (intent.state, order.status) == (State.ACKED, status)
    filled = 0 if over["time_in_force"] == "fill_or_kill" else 4
    assert order.filled_count == filled
    assert Fill.objects.count() == min(filled, 1)


def test_what_the_exchange_rejects_is_refused_in_its_words(desk: Desk) -> None:
    desk.others("ask", "0.5600", "4.00")
    intent = desk.order(is_post_only=True)

    assert (intent.state, intent.error_code) == (State.REFUSED, "post_only_cross")
    assert desk.theirs() == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"state": "waiting"}, "fix_down"),
        ({"is_wanted": False, "state": "stopped"}, "fix_stopped"),
        ({"is_listener": True}, "fix_stopped"),
    ],
)
def test_without_its_session_nothing_leaves_and_a_cancel_goes_by_rest(
    desk: Desk, values: dict[str, Any], code: str
) -> None:
    desk.order()
    FixSession.objects.update(**values)
    late = desk.order()
    cancel = cancel_submit(desk.place.trader, Order.objects.get(), idempotency_key=uuid.uuid4())
    cancel_send(cancel.pk)

    assert (late.state, late.error_code) == (State.REFUSED, code)
    assert [one.status for one in desk.theirs()] == ["canceled"]
    assert desk.sent("F") == 0
    cancel.refresh_from_db()
    assert cancel.state == "done"


def test_a_command_that_no_gateway_took_is_withdrawn_and_never_sent(desk: Desk) -> None:
    desk.is_deaf = True
    intent = desk.order()
    desk.is_deaf = False
    desk.pump(desk.row.pk)

    assert (intent.state, intent.error_code) == (State.REFUSED, "fix_not_taken")
    assert FixCommand.objects.get().state == "not_sent"
    assert desk.theirs() == []


def test_a_gateway_that_dies_after_the_send_leaves_doubt_and_evidence_ends_it(desk: Desk) -> None:
    desk.loses_answers = True
    intent = desk.order()
    assert (intent.state, desk.sent("D")) == (State.UNKNOWN, 1)

    for _ in range(3):
        assert intent_send(intent.pk) is None
        desk.pump(desk.row.pk)
    assert len(desk.theirs()) == desk.sent("D") == 1, "sent once, ever"
    OrderIntent.objects.update(claimed_at=from_unix_ms(NOON_MS))  # the exchange's clock is the test's
    intent_resolve(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_a_report_that_comes_later_ends_the_doubt(desk: Desk, place: Place) -> None:
    desk.loses_answers = True
    intent = desk.order()
    (theirs,) = desk.theirs()
    names = {"_37": theirs.order_id, "_11": theirs.client_order_id, "_55": LINEAR}
    ingest.reports_apply(place.account.pk, [report("9;9", **names)], prices=DOLLARS, kind="dc")

    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_one_command_for_an_intent_ever(desk: Desk) -> None:
    """A sender that forgot the claim, or ran twice: the database refuses the second message."""
    intent = desk.order()
    way = routing.FixWay(desk.place.account.pk, "nr")
    with pytest.raises(OutcomeUnknown, match="handed"):
        way.create(intent)
    assert desk.sent("D") == 1


@pytest.mark.parametrize("text", ["EXCHANGE_UNAVAILABLE", "ORDER_ALREADY_EXISTS"])
def test_a_reject_that_proves_nothing_leaves_doubt(desk: Desk, text: str) -> None:
    desk.is_deaf = True

    def answer(_: int) -> None:
        command = FixCommand.objects.get()
        FixCommand.objects.update(state="taken", taken_at=utc_now())
        said = {"_150": "8", "_39": "8", "_58": text, "_103": "99", "_44": None}
        desk.outbox.record([report("-1;-1", _11=command.client_id, **said)])

    routing.wake = answer
    assert desk.order().state == State.UNKNOWN


def test_the_exchanges_rate_limit_refuses_and_empties_the_budget(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    drained: list[str] = []
    limiter = routing.limiter_for_account(0)
    monkeypatch.setattr(limiter, "drain", lambda *, kind: drained.append(kind))

    def answer(_: int) -> None:
        (one,) = desk.outbox.take()
        desk.outbox.by_seq[7] = one.id
        said = {"_45": "7", "_372": "D", "_380": "8", "_58": "Rate limit"}
        message = report("-1;-1", **said)
        message.fields[0] = (35, "j")
        desk.outbox.record([type(message)([(35, "j"), *message.fields[1:]])])

    monkeypatch.setattr(routing, "wake", answer)
    intent = desk.order()
    assert (intent.state, intent.error_code, drained) == (State.REFUSED, "rate_limited", ["write"])


def test_the_local_budget_is_the_accounts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = LocalLimiter(read=Budget(1e-9, 100), write=Budget(1e-9, 20))
    monkeypatch.setattr(routing, "limiter_for_account", lambda account_id: empty)
    first, second = desk.order(), desk.order()

    assert (first.state, second.state, second.error_code) == (State.ACKED, State.REFUSED, "rate_limited")
    assert desk.sent("D") == 1


def test_what_fix_cannot_say_is_refused_before_it_leaves(desk: Desk) -> None:
    desk.others("bid", "0.5000", "1.00")
    intent = desk.order(is_reduce_only=True, time_in_force="immediate_or_cancel")

    assert (intent.state, intent.error_code) == (State.REFUSED, "fix_reduce_only")
    assert FixCommand.objects.count() == 0


def test_d30_orders_wait_until_the_account_was_read_after_a_logon(desk: Desk) -> None:
    desk.order()
    desk.outbox.reconcile_since = utc_now()
    held = desk.order()
    cancel = cancel_submit(desk.place.trader, Order.objects.get(), idempotency_key=uuid.uuid4())
    cancel_send(cancel.pk)
    AccountSync.objects.update_or_create(account=desk.place.account, defaults={"finished_at": utc_now()})
    after = desk.order()

    assert (held.state, held.error_code, after.state) == (State.REFUSED, "fix_not_taken", State.ACKED)
    assert desk.sent("F") == 1, "what takes risk away passes"


def test_cancel_amend_and_decrease_go_by_the_orders_present_name(desk: Desk) -> None:
    desk.order()
    order = Order.objects.get()

    def change(kind: ChangeIntent.Kind, count: int, price: str | None) -> str:
        order.refresh_from_db()
        seen = Seen(order.price, order.filled_count + order.remaining_count, order.filled_count)
        wish = Wish(kind, Decimal(count), Decimal(price) if price else None, seen, uuid.uuid4())
        made = change_submit(desk.place.trader, order, wish)
        change_send(made.pk)
        made.refresh_from_db()
        order.refresh_from_db()
        return str(made.state)

    assert change(ChangeIntent.Kind.AMEND, 12, "0.5500") == "done"
    assert (order.price, order.remaining_count) == (Decimal("0.55"), 12)
    desk.others("ask", "0.5500", "2.00")
    desk.hear()
    assert change(ChangeIntent.Kind.DECREASE, 5, None) == "done"
    assert (order.filled_count, order.remaining_count) == (2, 5)
    assert change(ChangeIntent.Kind.AMEND, 9, "0.5400") == "done"
    cancel = cancel_submit(desk.place.trader, order, idempotency_key=uuid.uuid4())
    cancel_send(cancel.pk)
    cancel.refresh_from_db()
    order.refresh_from_db()
    assert (cancel.state, order.status, order.filled_count) == ("done", "canceled", 2)
    assert (desk.sent("G"), desk.sent("F")) == (3, 1)
    (theirs,) = desk.theirs()
    assert theirs.status == "canceled"


def test_a_cancel_that_races_a_fill_ends_as_filled(desk: Desk) -> None:
    desk.order()
    order = Order.objects.get()
    desk.others("ask", "0.5600", "10.00")  # and the desk has not heard of it
    cancel = cancel_submit(desk.place.trader, order, idempotency_key=uuid.uuid4())
    cancel_send(cancel.pk)

    cancel.refresh_from_db()
    order.refresh_from_db()
    assert (cancel.state, order.status) == ("done", "executed")


def test_a_cancel_in_doubt_is_repeated_by_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.order()
    cancel = cancel_submit(desk.place.trader, Order.objects.get(), idempotency_key=uuid.uuid4())
    monkeypatch.setattr(routing, "wake", lambda _: FixCommand.objects.filter(msg_type="F").update(state="taken"))
    cancel_send(cancel.pk)
    cancel.refresh_from_db()
    assert cancel.state == "unknown"
    type(cancel).objects.update(next_attempt_at=None)
    cancel_send(cancel.pk)

    cancel.refresh_from_db()
    assert (cancel.state, [one.status for one in desk.theirs()]) == ("done", ["canceled"])


def test_order_groups_go_by_fix(desk: Desk) -> None:
    trader = desk.place.trader
    made = group_create(trader, name="Two", limit=Decimal(50), idempotency_key=uuid.uuid4())
    group_send(made.pk)
    made.group.refresh_from_db()
    assert (made.group.state, bool(made.group.group_id)) == ("active", True)
    desk.order(order_group_id=made.group.group_id)
    for kind, state in ((GroupAction.Kind.TRIGGER, "triggered"), (GroupAction.Kind.RESET, "active")):
        action = group_ask(trader, made.group, kind, idempotency_key=uuid.uuid4())
        group_send(action.pk)
        action.refresh_from_db()
        made.group.refresh_from_db()
        assert (action.state, made.group.state) == ("done", state)
    assert Order.objects.get().status == "canceled"
    assert desk.sent("UOG") == 3


def test_a_listener_session_never_sends(desk: Desk) -> None:
    """D21: refused by the engine too, whoever hands it over."""
    listener = End(desk.fix, desk.place.account, "reader", Kind.NR, LogonFlags.listening(), Path("unused"))
    listener.connect()
    order = NewOrder("d21", LINEAR, "bid", Decimal("0.3"), Decimal(1))
    before = listener.session.next_out
    with pytest.raises(Exception, match="listener"):
        listener.send("D", order.fields(DOLLARS))
    assert listener.session.next_out == before


def test_who_may_set_the_way_and_for_which_session(desk: Desk) -> None:
    operator = actor_of(make_person(desk.place.desk, "operator"))
    with pytest.raises(NotAllowed):
        routes.route_set(desk.place.trader, desk.place.account.pk, "rest", why="no right")
    refused: list[Callable[[], Any]] = [
        lambda: routes.route_set(operator, desk.place.account.pk, "rt", why="no such session"),
        lambda: routes.route_set(operator, desk.place.account.pk, "ws", why="no such way"),
        lambda: routes.route_set(operator, desk.place.account.pk, "nr", why=""),
    ]
    for refuse in refused:
        with pytest.raises(routes.DeskError):
            refuse()
    assert routes.way_of(desk.place.account.pk) == "nr"
    routes.route_set(operator, desk.place.account.pk, "rest", why="the line is down")
    assert routes.way_of(desk.place.account.pk) is None
    assert desk.order().state == State.ACKED
    assert desk.sent("D") == 0


def test_old_commands_go_but_not_those_that_name_an_order(desk: Desk) -> None:
    desk.order()
    FixCommand.objects.create(
        session=desk.row, subject="change:1", is_once=True, msg_type="G", fields=[], order_id="o", state="told",
        created_at=utc_now(), expires_at=utc_now(),
    )  # fmt: skip
    FixCommand.objects.update(created_at=utc_now() - timedelta(days=30))
    messages_prune(desk.row.pk)

    assert [one.msg_type for one in FixCommand.objects.all()] == ["G"]
