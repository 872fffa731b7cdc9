"""Whole sessions: the desk's engine against the paper exchange's own, over loopback TCP."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import ExchangeAccount
from apps.audit.models import AuditEntry
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.exchange.clients import clients_forget
from apps.exchange.gateway.threads import Threads
from apps.fix import routes, routing, runner, services
from apps.fix.lease import key_digest
from apps.fix.models import FixCommand, FixExecution, FixLease, FixMessage, FixRecovery, FixSession
from apps.orders.models import AccountSync, Fill, Order
from apps.orders.services import cancel_send, cancel_submit, intent_send, intent_submit
from apps.vault.services import key_revoke
from tests.orders.conftest import Place, make_market, make_ticket, make_trade_key
from tests.support.desk import PATIENCE, eventually
from tests.support.gateway import paper_call, paper_order, use_paper
from tests.support.paper import PaperProcess, paper_process, paper_processes  # noqa: F401
from tests.support.people import actor_of, make_account, make_desk, make_key, make_person, vault_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
WHY = "a test of the session"


@dataclass
class Desk:
    account: ExchangeAccount
    operator: Actor
    admin: Actor
    paper: PaperProcess
    tickers: list[str]
    queued: list[Any] = field(default_factory=list)

    def key(self, member: str, purpose: str) -> str:
        known = self.paper.members[member]
        secret = Path(known["private_key_path"]).read_bytes()
        scopes = tuple(known["scopes"])
        make_key(self.admin, self.account, key_id=known["key_id"], scopes=scopes, secret=secret, purpose=purpose)
        return str(known["key_id"])

    def session(self, kind: str, **options: Any) -> FixSession:
        row = services.session_define(self.operator, self.account.pk, kind, heartbeat=30, **options)
        return services.session_start(self.operator, row.pk, why=WHY)

    def state(self, row: FixSession) -> str:
        row.refresh_from_db()
        return row.state

    def reach(self, row: FixSession, state: str) -> None:
        eventually(lambda: self.state(row) == state, what=f"{row.kind} {state} (now {row.state}: {row.state_text})")

    def order(self, side: str = "bid", price: str = "0.0200", count: str = "7.00", member: str = "trader-1") -> str:
        answer = paper_order(self.paper, member, self.tickers[0], side, price, count)
        return str(answer["order_id"])

    def statuses(self) -> dict[str, str]:
        return dict(Order.objects.values_list("order_id", "status"))


@pytest.fixture
def desk(paper_process, settings, tmp_path, monkeypatch):  # noqa: F811
    settings.FIX_ENDPOINTS = {"paper": {"file": str(paper_process.data / "paper.json")}}
    settings.FIX_STORE_DIR = tmp_path / "fix"
    vault_in(tmp_path, settings)
    desk = make_desk()
    markets = paper_call(paper_process, "trader-1", "GET", "/markets?status=open&limit=3")["markets"]
    made = Desk(
        make_account(desk),
        actor_of(make_person(desk, "operator")),
        actor_of(make_person(desk, "vault-admin")),
        paper_process,
        [market["ticker"] for market in markets],
    )
    monkeypatch.setattr("apps.orders.queue.enqueue", lambda *call, **_: made.queued.append(call) or True)
    monkeypatch.setattr(runner, "FOLLOW_SECONDS", 0.1)
    return made


@contextmanager
def running_sessions() -> Iterator[None]:
    """The gateway's job in a loop of its own; it has ended when the block has."""
    held: dict[str, Any] = {}
    started = threading.Event()

    async def serve() -> None:
        threads = Threads()
        held["threads"], held["loop"] = threads, asyncio.get_running_loop()
        held["job"] = asyncio.create_task(runner.sessions_job(threads))
        started.set()
        await asyncio.wait([held["job"]])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fix-under-test")
    thread.start()
    assert started.wait(PATIENCE)
    try:
        yield
    finally:
        held["loop"].call_soon_threadsafe(held["job"].cancel)
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the sessions did not end"
        held["threads"].join()


def test_a_listener_brings_orders_and_fills_live_and_what_it_missed_by_resend(desk):
    """The seed documents' first wish: a feed for people who must not trade, with a key that only reads."""
    desk.key("reader", "fix_rt")
    row = desk.session("rt", is_listener=True)
    with running_sessions():
        desk.reach(row, "logged_on")
        first = desk.order()
        eventually(lambda: desk.statuses().get(first) == "resting", what="the order by FIX")
        order = Order.objects.get(order_id=first)
        assert (order.source, order.initial_count, str(order.price)) == ("fix", 7, "0.0200")
        desk.order("ask", "0.0200", "3.00", member="trader-2")
        eventually(lambda: Fill.objects.filter(order_id_text=first).exists(), what="the fill by FIX")
        fill = Fill.objects.get(order_id_text=first)
        assert (fill.source, fill.count, fill.is_taker) == ("fix", 3, False)

        services.session_stop(desk.operator, row.pk, why=WHY)
        desk.reach(row, "stopped")
        missed = [desk.order(price=price) for price in ("0.0300", "0.0400")]
        paper_call(desk.paper, "trader-1", "DELETE", f"/portfolio/orders/{missed[0]}")
        before = row.next_in
        services.session_start(desk.operator, row.pk, why=WHY)
        wanted = {missed[0]: "canceled", missed[1]: "resting"}
        eventually(lambda: wanted.items() <= desk.statuses().items(), what="what was missed, resent")
        desk.reach(row, "logged_on")
        assert row.next_in > before
    assert FixExecution.objects.filter(source="rt").count() >= 5
    assert FixMessage.objects.filter(session=row, is_outgoing=True, msg_type="2").count() == 1, "one ResendRequest"
    logons = FixMessage.objects.filter(session=row, is_outgoing=True, msg_type="A")
    assert all(dict(one.fields)[96] == "<redacted>" for one in logons)
    assert dict(logons[0].fields)[20126] == "Y"
    assert not [one for one in logons if [141, "Y"] in one.fields]


def test_a_session_without_resend_recovers_by_drop_copy(desk):
    desk.key("trader-1", "fix_nr")
    desk.key("reader", "fix_dc")
    live, copy = desk.session("nr", is_listener=True), desk.session("dc")
    with running_sessions():
        desk.reach(live, "logged_on")
        desk.reach(copy, "logged_on")
        first = desk.order()
        eventually(lambda: first in desk.statuses(), what="the order by FIX")
        services.session_stop(desk.operator, live.pk, why=WHY)
        desk.reach(live, "stopped")
        missed = [desk.order(price=f"0.0{number}00") for number in range(3, 8)]
        assert not set(missed) & set(desk.statuses())
        services.session_start(desk.operator, live.pk, why=WHY)
        eventually(lambda: set(missed) <= set(desk.statuses()), what="the missed orders by drop copy")
        done = eventually(lambda: FixRecovery.objects.filter(state="complete").first(), what="the recovery")
        assert done.received == 6, "the begin is inclusive"
        assert done.new == 5
        with pytest.raises(services.DeskError, match="no range"):
            services.recovery_request(desk.operator, desk.account.pk, begin="-1;-1", why=WHY)
        again = services.recovery_request(desk.operator, desk.account.pk, why=WHY)
        eventually(lambda: FixRecovery.objects.get(pk=again.pk).state == "complete", what="the second recovery")
    assert FixExecution.objects.filter(source="dc").count() == 5
    assert Order.objects.filter(order_id__in=missed).count() == 5
    actions = set(AuditEntry.objects.filter(desk_id=desk.account.desk_id).values_list("action", flat=True))
    assert {
        "fix.session.started",
        "fix.session.logged_on",
        "fix.recovery.requested",
        "fix.recovery.finished",
    } <= actions


def test_d17_a_key_held_by_another_process_is_not_dialled(desk):
    key_id = desk.key("reader", "fix_nr")
    digest = key_digest("paper", key_id)
    FixLease.objects.create(key_digest=digest, holder="another", fence=7, expires_at=utc_now() + timedelta(hours=1))
    row = desk.session("nr", is_listener=True)
    with running_sessions():
        desk.reach(row, "waiting")
        assert "Another process" in row.state_text
        assert not FixMessage.objects.exists()
        FixLease.objects.filter(key_digest=digest).update(expires_at=utc_now())
        desk.reach(row, "logged_on")
    assert FixLease.objects.get(key_digest=digest).fence == 8


def test_d24_a_damaged_store_resets_and_reads(desk, settings):
    desk.key("reader", "fix_rt")
    row = desk.session("rt", is_listener=True)
    with running_sessions():
        desk.reach(row, "logged_on")
    (store,) = settings.FIX_STORE_DIR.glob("*.fix")
    data = bytearray(store.read_bytes())
    data[12] ^= 1
    store.write_bytes(data)
    with running_sessions():
        eventually(lambda: FixMessage.objects.filter(msg_type="A", is_outgoing=True).count() >= 2, what="a new logon")
        desk.reach(row, "logged_on")
    last = FixMessage.objects.filter(msg_type="A", is_outgoing=True).order_by("-pk")[0]
    assert (last.seq, dict(last.fields)[141]) == (1, "Y")
    assert list(settings.FIX_STORE_DIR.glob("*damaged*"))
    assert AuditEntry.objects.filter(action="fix.session.store_damaged").exists()


def test_a_reset_is_done_once_at_a_new_logon(desk):
    desk.key("reader", "fix_rt")
    row = desk.session("rt", is_listener=True)
    with running_sessions():
        desk.reach(row, "logged_on")
        services.session_reset(desk.operator, row.pk, why=WHY)
        resets = FixMessage.objects.filter(session=row, msg_type="A", is_outgoing=True)
        eventually(lambda: any([141, "Y"] in one.fields for one in resets.all()), what="the logon with 141=Y")
        eventually(lambda: not FixSession.objects.get(pk=row.pk).is_reset_wanted, what="the wish done")
        desk.reach(row, "logged_on")
    assert sum([141, "Y"] in one.fields for one in resets.all()) == 1


def test_a_session_without_a_key_says_so_and_starts_when_there_is_one(desk):
    row = desk.session("nr")
    with running_sessions():
        desk.reach(row, "halted")
        assert "no working key" in row.state_text
        desk.key("trader-1", "fix_nr")
        desk.reach(row, "logged_on")


def test_the_rows_do_not_claim_what_a_gateway_that_ended_had(desk):
    desk.key("reader", "fix_nr")
    row = desk.session("nr", is_listener=True)
    with running_sessions():
        desk.reach(row, "logged_on")
    assert desk.state(row) == "stopped"
    FixSession.objects.update(state="logged_on")  # as after kill -9
    FixSession.objects.update(is_wanted=False)
    with running_sessions():
        desk.reach(row, "stopped")


def test_a_revoked_key_ends_its_session_and_says_why(desk):
    desk.key("reader", "fix_nr")
    row = desk.session("nr", is_listener=True)
    with running_sessions():
        desk.reach(row, "logged_on")
        key_revoke(desk.admin, desk.account.keys.get(purpose="fix_nr").pk)
        desk.reach(row, "halted")
        assert "no working key" in row.state_text


def test_a_reading_key_does_not_trade(desk):
    desk.key("reader", "fix_nr")
    row = desk.session("nr")
    with running_sessions():
        desk.reach(row, "halted")
    assert "may only read" in row.state_text


def test_an_exchange_that_is_away_is_waited_for(desk, settings, tmp_path):
    settings.FIX_ENDPOINTS = {"paper": {"url": "plain://127.0.0.1:1"}}
    desk.key("reader", "fix_nr")
    row = desk.session("nr", is_listener=True)
    with running_sessions():
        desk.reach(row, "waiting")
        assert "No connection" in row.state_text
        settings.FIX_ENDPOINTS = {"paper": {"file": str(desk.paper.data / "paper.json")}}
        desk.reach(row, "logged_on")


def test_an_order_leaves_by_fix_through_a_running_session(desk, settings, monkeypatch):
    """The sender in this thread, the session in the gateway's: committed, taken once, answered by its report."""
    settings.REDIS_URL = "redis://127.0.0.1:1"  # nobody wakes the session: it looks by itself
    monkeypatch.setattr(routing, "TAKEN_WITHIN", timedelta(seconds=PATIENCE))  # however slow this machine is
    monkeypatch.setattr(routing, "ANSWER_SECONDS", PATIENCE)
    clients_forget()
    use_paper(settings, desk.paper)
    make_trade_key(desk.account)  # of REST, which nothing here uses
    desk.key("trader-1", "fix_nr")
    row = desk.session("nr")
    trader = actor_of(make_person(desk.account.desk, "trader"))
    place = Place(desk.account.desk, desk.account, trader, trader, make_market(ticker=desk.tickers[0]))
    routes.route_set(desk.operator, desk.account.pk, "nr", why=WHY)
    AccountSync.objects.create(account=desk.account, finished_at=utc_now() + timedelta(hours=1))
    with running_sessions():
        desk.reach(row, "logged_on")
        intent = intent_submit(trader, make_ticket(place, ticker=desk.tickers[0], price=Decimal("0.02")))
        intent_send(intent.pk)
        intent.refresh_from_db()
        assert (intent.state, intent.error_text) == ("acked", "")
        order = Order.objects.get(intent=intent)
        cancel = cancel_submit(trader, order, idempotency_key=uuid.uuid4())
        cancel_send(cancel.pk)
        order.refresh_from_db()
        assert (order.status, order.source) == ("canceled", "fix")
    assert list(FixCommand.objects.order_by("pk").values_list("msg_type", "state")) == [("D", "told"), ("F", "told")]
    sent = FixMessage.objects.filter(session=row, is_outgoing=True, msg_type__in=["D", "F"])
    assert [one.msg_type for one in sent.order_by("pk")] == ["D", "F"]
