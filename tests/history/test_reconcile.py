"""REST against WebSocket against ledger, on the paper exchange: what is lost, late, twice or different is named."""

import csv
import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.ports import FeedContext
from apps.core.timestamps import from_unix_ms, utc_now
from apps.exchange.wire import api
from apps.exchange.wire.schemas import Message, decode
from apps.history import reconcile as module
from apps.history import reconcile_adopt
from apps.history.models import Discrepancy, ReconcileRun, Sighting, Subject
from apps.history.pages import reconciliation as page_of_differences
from apps.history.pages.reconciliation import proof_lines
from apps.history.reconcile import GRACE, reconcile
from apps.history.reconcile_feed import sightings_record
from apps.history.reconcile_resolve import discrepancy_adopt, discrepancy_ignore, discrepancy_reread, reconcile_ask
from apps.orders.models import Fill, Order
from apps.orders.reports import fill_from_rest
from apps.orders.services import fills_record
from apps.paper.server.rest_faults import RestFault
from apps.paper.testing import LINEAR, InProcessPaper, InProcessSocket
from apps.portfolio.figures_fold import figures_fold
from apps.portfolio.models import DayPnl, MarketBook
from tests.orders.conftest import Place, Published, commits, exchange, place, published, queued
from tests.portfolio.paper_desk import PaperDesk, build_desk
from tests.portfolio.paper_life import make_markets, read_all
from tests.support.paper import paper
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person

__all__ = ["commits", "exchange", "paper", "place", "published", "queued"]

Kind, Cause, State = Discrepancy.Kind, Discrepancy.Cause, Discrepancy.State
LATER = timedelta(minutes=2)


@pytest.fixture
def desk(
    place: Place,
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: list[tuple[str, int]],
) -> PaperDesk:
    built = build_desk(place, paper, monkeypatch)
    for one in (module, reconcile_adopt):
        monkeypatch.setattr(one, "client_for", built.client_for)
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    make_markets()
    return built


@pytest.fixture
def socket(desk: PaperDesk) -> InProcessSocket:
    socket = desk.paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders", "fill", "market_positions"])
    return socket


def trade(desk: PaperDesk, *, count: str = "4.00", subaccount: int = 0) -> None:
    """Buy from the market maker."""
    body = {
        "ticker": LINEAR,
        "count": count,
        "price": "0.5600",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    for name, side, more in (("maker", "ask", {}), ("trader-1", "bid", {"subaccount": subaccount})):
        with desk.paper.client(name) as client:
            sent = {**body, "side": side, "client_order_id": str(uuid.uuid4()), **more}
            assert client.post("/portfolio/events/orders", json=sent).status_code == 201
    desk.paper.clock.step(500)


def deliver(desk: PaperDesk, socket: InProcessSocket, *, drop: Callable[[str], bool] = lambda kind: False) -> None:
    """Hand the frames that came to the feed handlers, as the gateway does, but for those that are dropped."""
    now_ms = desk.paper.clock.now_ms()
    context = FeedContext(account_id=desk.account.pk, environment="paper", recv_ms=now_ms)
    texts = list(socket.texts)
    socket.texts.clear()
    for text in texts:
        message = decode(text.encode())
        if isinstance(message, Message) and not drop(message.type):
            for handler in ports.feed_handlers.get(message.type, []):
                handler(context, [message.body])


def settle_down(desk: PaperDesk) -> None:
    """Let the grace pass on both clocks."""
    desk.paper.clock.step(int(LATER.total_seconds() * 1000))
    Order.objects.update(seen_at=utc_now() - LATER)


def run(desk: PaperDesk, *, hours: int = 1) -> ReconcileRun:
    settle_down(desk)
    done = reconcile(desk.account.pk, since=from_unix_ms(desk.paper.clock.now_ms()) - timedelta(hours=hours))
    assert not done.error
    return done


def only(**values: Any) -> Discrepancy:
    return Discrepancy.objects.get(**values)


def test_sources_that_say_the_same_leave_nothing_to_show(desk: PaperDesk, socket: InProcessSocket) -> None:
    for _ in range(3):
        trade(desk)
        deliver(desk, socket)

    done = run(desk)

    assert not Discrepancy.objects.exists(), list(Discrepancy.objects.values())
    assert done.compared == {"trade": 3, "order": 3, "position": 1}
    assert set(Sighting.objects.values_list("subject", flat=True)) == {"trade", "order", "position"}


def test_c8_a_fill_frame_that_was_lost_is_found_by_rest(desk: PaperDesk, socket: InProcessSocket) -> None:
    """C8: fills are not numbered; the ledger gets it over REST, and the list says that a frame was missed."""
    trade(desk)
    deliver(desk, socket)
    trade(desk)
    deliver(desk, socket, drop=lambda kind: kind == "fill")
    trade(desk)
    deliver(desk, socket)

    run(desk)
    missing = only(subject=Subject.TRADE)
    assert (missing.kind, missing.state) == (Kind.NOT_IN_LEDGER, State.OPEN)

    read_all(desk)  # the sync of every 30 s
    run(desk)

    missing.refresh_from_db()
    assert (missing.state, missing.resolution) == (State.RESOLVED, "The sources agree again.")
    told = only(subject=Subject.TRADE, kind=Kind.NOT_PUSHED)
    assert (told.cause, told.state) == (Cause.MISSED_FRAME, State.RESOLVED)
    assert Fill.objects.count() == 3
    assert not Discrepancy.objects.filter(state=State.OPEN).exists()


def test_a_position_is_a_break_until_its_fills_are_there(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    deliver(desk, socket, drop=lambda kind: kind == "fill")

    run(desk)
    position = only(subject=Subject.POSITION)
    assert position.sides["rest"]["contracts"] == "4.00"
    assert position.sides["ledger"]["contracts"] == "0.00"
    assert position.state == State.OPEN

    read_all(desk)
    run(desk)
    position.refresh_from_db()
    assert position.state == State.RESOLVED


@pytest.mark.parametrize("order", ["rest,ws", "ws,rest", "ws,ws", "rest,rest", "ws,rest,ws", "rest,ws,rest"])
def test_c9_a_fill_that_comes_twice_is_no_difference(desk: PaperDesk, socket: InProcessSocket, order: str) -> None:
    trade(desk)
    frames = list(socket.texts)
    for source in order.split(","):
        if source == "rest":
            read_all(desk)
        else:
            socket.texts[:] = frames
            deliver(desk, socket)

    run(desk)

    assert Fill.objects.count() == 1
    assert not Discrepancy.objects.filter(state=State.OPEN).exists()


def test_an_order_whose_end_was_never_pushed_is_named(desk: PaperDesk, socket: InProcessSocket) -> None:
    """G3: orders cancelled by the exchange without an event."""
    with desk.paper.client("trader-1") as client:
        body = {
            "ticker": LINEAR,
            "client_order_id": str(uuid.uuid4()),
            "side": "bid",
            "count": "3.00",
            "price": "0.1000",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        order_id = client.post("/portfolio/events/orders", json=body).json()["order_id"]
        deliver(desk, socket)
        assert client.delete(f"/portfolio/events/orders/{order_id}").status_code == 200
    socket.texts.clear()

    run(desk)

    row = only(subject=Subject.ORDER, kind=Kind.DIFFERS)
    assert row.sides["rest"]["status"] == "canceled"
    assert row.sides["ledger"]["status"] == "resting"
    read_all(desk)
    run(desk)
    row.refresh_from_db()
    assert row.state == State.RESOLVED
    assert only(subject=Subject.ORDER, kind=Kind.NOT_PUSHED).cause == Cause.MISSED_FRAME


def test_a19_an_order_placed_elsewhere_is_named_as_foreign(desk: PaperDesk) -> None:
    trade(desk)

    run(desk)

    assert only(subject=Subject.TRADE).cause == Cause.FOREIGN
    assert only(subject=Subject.ORDER).cause == Cause.FOREIGN


def test_g8_a_fee_that_differs_is_adopted_from_the_exchange(
    desk: PaperDesk, socket: InProcessSocket, queued: list[Any]
) -> None:
    trade(desk)
    deliver(desk, socket)
    booked = Fill.objects.get().fee
    Fill.objects.update(fee=booked + Decimal("0.000001"))
    figures_fold(desk.account.pk)
    assert MarketBook.objects.get().fees == booked + Decimal("0.000001")

    run(desk)
    row = only(subject=Subject.TRADE, kind=Kind.DIFFERS)
    assert row.cause == Cause.FEE

    discrepancy_adopt(desk.lead, row.pk)
    assert ("discrepancy_adopt_sync", row.pk, desk.lead.user_id) in queued
    assert reconcile_adopt.adopt(row.pk) == desk.account.pk
    run(desk)

    row.refresh_from_db()
    assert Fill.objects.get().fee == booked
    # Profit and loss follow at once: as many fills as before are stored, and one of them is another.
    assert MarketBook.objects.get().fees == booked
    assert DayPnl.objects.get().fees == booked
    assert (row.state, row.resolution) == (State.RESOLVED, "Adopted from the exchange.")
    assert AuditEntry.objects.filter(action="orders.fill.corrected").count() == 1
    assert AuditEntry.objects.filter(action="history.discrepancy.adopt", actor_id=desk.lead.user_id).count() == 1


def test_a_fill_that_is_missing_is_adopted_through_the_one_door(desk: PaperDesk) -> None:
    trade(desk)
    run(desk)
    row = only(subject=Subject.TRADE, kind=Kind.NOT_IN_LEDGER)

    reconcile_adopt.adopt(row.pk)
    reconcile_adopt.adopt(row.pk)

    assert Fill.objects.count() == 1


def test_a_fill_that_the_exchange_does_not_have_is_never_hidden(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    deliver(desk, socket)
    with_ghost = fill_from_rest(next(iter(api.get_fills(desk.client_for(desk.account.pk, write=False)))))
    ghost = fills_record(
        desk.account.pk, [type(with_ghost)(**{**_fields(with_ghost), "trade_id": "ghost"})], source="ws"
    )
    assert ghost == 1

    run(desk)

    assert only(key__startswith="ghost:").kind == Kind.NOT_AT_EXCHANGE
    with pytest.raises(DeskError, match="nothing_to_adopt"):
        discrepancy_adopt(desk.lead, only(key__startswith="ghost:").pk)


def _fields(report: Any) -> dict[str, Any]:
    return {name: getattr(report, name) for name in type(report).__dataclass_fields__}


def test_trades_that_moved_to_the_archive_are_no_break(desk: PaperDesk, socket: InProcessSocket) -> None:
    """A17: the cutoff passed them; the live listing leaves them out."""
    trade(desk)
    deliver(desk, socket)
    desk.paper.clock.step(60_000)
    now_ms = desk.paper.clock.now_ms()
    desk.paper.control(
        "POST", "/history", {"trades_created_ms": now_ms, "orders_updated_ms": now_ms, "market_settled_ms": now_ms}
    )

    run(desk)

    assert not Discrepancy.objects.filter(subject=Subject.TRADE).exists()


def test_a16_what_the_exchange_does_not_show_yet_is_not_compared(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    deliver(desk, socket)

    done = reconcile(desk.account.pk, since=from_unix_ms(desk.paper.clock.now_ms()) - timedelta(hours=1))

    assert done.compared["trade"] == 0  # younger than the grace
    assert timedelta(seconds=5) < GRACE
    assert not Discrepancy.objects.exists()


def test_a_long_period_is_compared_day_by_day(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    desk.paper.clock.step(30 * 3_600_000)
    trade(desk)
    deliver(desk, socket)

    done = run(desk, hours=72)

    assert done.compared["trade"] == 2
    assert done.compared["order"] == 2
    assert not Discrepancy.objects.filter(state=State.OPEN).exists()


def test_silence_of_a_line_that_was_down_is_no_missed_frame(desk: PaperDesk) -> None:
    trade(desk)
    read_all(desk)

    run(desk)

    assert not Discrepancy.objects.exists()


def test_a_late_frame_is_named(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    desk.paper.clock.step(30_000)
    deliver(desk, socket)

    run(desk)

    assert only(subject=Subject.TRADE).cause == Cause.LATE
    assert only(subject=Subject.TRADE).state == State.RESOLVED


def test_g7_a_market_that_settled_while_we_were_away_is_named_and_resolves(
    desk: PaperDesk, socket: InProcessSocket
) -> None:
    trade(desk)
    deliver(desk, socket)
    exchange = desk.paper.exchange
    exchange.close_early(LINEAR)
    exchange.determine(LINEAR, result="yes")
    exchange.settle(LINEAR)

    run(desk)
    row = only(subject=Subject.POSITION, kind=Kind.DIFFERS)
    assert (row.sides["rest"]["contracts"], row.sides["ledger"]["contracts"]) == ("0.00", "4.00")

    read_all(desk)
    run(desk)
    row.refresh_from_db()
    assert row.state == State.RESOLVED


def test_what_is_ignored_stays_ignored_until_it_changes(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    deliver(desk, socket, drop=lambda kind: kind == "fill")
    run(desk)
    row = only(subject=Subject.POSITION)
    with pytest.raises(DeskError, match="no_reason"):
        discrepancy_ignore(desk.lead, row.pk, reason=" ")
    discrepancy_ignore(desk.lead, row.pk, reason="moved by hand, ticket 7")

    run(desk)
    row.refresh_from_db()
    assert (row.state, row.resolution, row.resolved_by_id) == (
        State.IGNORED,
        "moved by hand, ticket 7",
        desk.lead.user_id,
    )
    assert AuditEntry.objects.get(action="history.discrepancy.ignore").actor_id == desk.lead.user_id

    trade(desk)
    deliver(desk, socket, drop=lambda kind: kind == "fill")
    run(desk)
    row.refresh_from_db()
    assert row.state == State.OPEN


def test_fix_writes_under_its_own_name(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    deliver(desk, socket, drop=lambda kind: kind == "fill")
    read_all(desk)
    key = f"{Fill.objects.get().trade_id}:{Fill.objects.get().order_id_text}"
    sightings_record(desk.account.pk, source="fix", subject=Subject.TRADE, sides={key: {"count": "5.00"}}, at=utc_now())

    run(desk)

    assert only(subject=Subject.TRADE).sides["fix"] == {"count": "5.00"}


def test_an_exchange_that_does_not_answer_resolves_nothing(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    run(desk)
    before = list(Discrepancy.objects.values("pk", "state"))
    for _ in range(4):
        desk.paper.server.rest_faults.arm(RestFault("lose_before", 1))

    done = reconcile(desk.account.pk)

    assert done.error
    assert list(Discrepancy.objects.values("pk", "state")) == before


def test_the_proof_has_both_sides_and_their_hashes(desk: PaperDesk, socket: InProcessSocket) -> None:
    trade(desk)
    deliver(desk, socket)
    Fill.objects.update(fee=Decimal("1.000000"))
    run(desk)

    rows = list(csv.DictReader(proof_lines(Discrepancy.objects.order_by("pk"))))

    row = next(row for row in rows if row["subject"] == "trade")
    assert row["differing_fields"] == "fee"
    for name in ("rest", "ledger", "pushed"):
        assert sha256(row[name].encode()).hexdigest() == row[f"{name}_sha256"]
    assert json.loads(row["ledger"])["fee"] == "1.0000"
    assert row["pushed_by"] == "ws"


def test_who_may_look_and_who_may_resolve(desk: PaperDesk) -> None:
    trade(desk)
    run(desk)
    row = only(subject=Subject.TRADE)

    with pytest.raises(NotAllowed):
        discrepancy_reread(desk.place.viewer, row.pk)
    with pytest.raises(NotAllowed):
        discrepancy_ignore(desk.place.trader, row.pk, reason="because")
    with pytest.raises(NotAllowed):
        discrepancy_adopt(desk.place.trader, row.pk)
    with pytest.raises(NotAllowed):
        reconcile_ask(desk.place.viewer, account_id=desk.account.pk, hours=1)
    other = make_desk()
    make_account(other)
    with pytest.raises(NotFound):
        discrepancy_ignore(actor_of(make_person(other, "lead")), row.pk, reason="not mine")


def test_the_page_lists_both_sides_and_a_viewer_has_no_control(desk: PaperDesk) -> None:
    trade(desk)
    run(desk)
    page = client_of(User.objects.get(pk=desk.place.viewer.user_id)).get(reverse("history_reconciliation"))
    lead = client_of(User.objects.get(pk=desk.lead.user_id))

    text = page.content.decode()
    assert "Traded elsewhere with this account" in text
    assert "does not have it" in text
    assert 'name="deed"' not in text
    assert "Compare now" not in text

    row = only(subject=Subject.TRADE)
    form = {"difference": row.pk, "deed": "ignore", "reason": "seen and known"}
    assert lead.post(reverse("history_reconciliation_resolve"), form).status_code == 302
    row.refresh_from_db()
    assert row.state == State.IGNORED
    proof = lead.post(reverse("history_reconciliation_proof"), {"state": "all"})
    assert proof["Content-Disposition"].startswith('attachment; filename="reconciliation-paper-')


def test_pages_of_differences_meet_while_new_ones_begin(desk: PaperDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_of_differences, "SHOWN", 3)
    begun = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def begin(number: int) -> None:
        at = begun + timedelta(minutes=number // 2)  # two of each instant
        sides: dict[str, Any] = {"rest": {"count": "1"}, "ledger": None}
        Discrepancy.objects.create(
            account=desk.account,
            subject=Subject.TRADE,
            kind=Kind.NOT_IN_LEDGER,
            key=f"key-{number:02d}",
            sides=sides,
            first_seen_at=at,
            last_seen_at=at,
        )

    for number in range(8):
        begin(number)
    viewer = client_of(User.objects.get(pk=desk.place.viewer.user_id))
    seen: list[str] = []
    address = reverse("history_reconciliation_list")
    while address:
        text = viewer.get(address).content.decode()
        seen += re.findall(r'title="(key-\d\d)"', text)
        begin(50 + len(seen))
        older = re.search(r'href="([^"]*after=[^"]*)">Older', text)
        address = reverse("history_reconciliation_list") + older[1].replace("&amp;", "&") if older else ""

    assert seen == [f"key-{number:02d}" for number in reversed(range(8))]
