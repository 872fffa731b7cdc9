"""After a restore, on the paper exchange: what happened since is found, nothing is done a second time (F7)."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.accounts.models import ExchangeAccount, User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.timestamps import utc_now
from apps.history import reconcile as sources
from apps.operations import reconcile
from apps.operations.models import Restoration
from apps.operations.reconcile import restorations_follow
from apps.operations.tasks import restorations_sync
from apps.orders.models import Order, OrderIntent, TradingPause
from apps.orders.services import intent_resolve, intents_sweep, lookup, pause_release, sync
from apps.orders.services.send import intent_send
from apps.paper.testing import LINEAR, InProcessPaper
from apps.portfolio import services as portfolio_services
from apps.portfolio import subaccounts
from tests.history.rig import MEMBER, Line, Rig
from tests.operations.conftest import Place
from tests.orders.conftest import make_trade_key
from tests.support.people import actor_of, make_account, make_desk, make_person


@pytest.fixture
def rig(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    paper = InProcessPaper()
    line = Line(paper)
    client = line.client()
    for module in (lookup, sync, portfolio_services, subaccounts, sources):
        monkeypatch.setattr(module, "client_for", lambda account_id, *, write: client)
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    account = make_account(make_desk())
    make_trade_key(account)
    yield Rig(account, paper, line)
    client.close()
    paper.exchange.archive.close()


def make_intent(account: ExchangeAccount, person: User, count: int) -> OrderIntent:
    return OrderIntent.objects.create(
        desk=account.desk,
        account=account,
        placed_by=person,
        idempotency_key=uuid.uuid4(),
        ticker=LINEAR,
        book_side="bid",
        price=Decimal("0.30"),
        count=Decimal(count),
        created_at=utc_now(),
    )


def arrive(rig: Rig, count: int, **over: Any) -> str:
    told = rig.order(MEMBER, "bid", "0.3000", f"{count}.00", **over)
    return str(told["order"]["order_id"])


def later(rig: Rig) -> None:
    """Past the time in which what was just done is not compared yet."""
    rig.paper.clock.step(120_000)


def test_f7_what_was_sent_after_the_backup_is_found_and_nothing_is_sent_again(rig: Rig, place: Place) -> None:
    person, lead = make_person(rig.account.desk, "trader"), make_person(rig.account.desk, "lead")
    about_to_be_sent = make_intent(rig.account, person, 3)
    file = place.backup()
    # The old desk goes on: it sends that one, and two more that the backup has never heard of; then it is lost.
    sent = arrive(rig, 3, client_order_id=str(about_to_be_sent.client_order_id))
    unknown = {arrive(rig, 4, client_order_id=str(uuid.uuid4())), arrive(rig, 5, client_order_id=str(uuid.uuid4()))}
    later(rig)
    place.restore(file, replace=True)
    writes_before = [path for path in rig.line.paths if path.startswith("/portfolio/events")]

    # The queue may still hold the message; the sweep looks up what is in doubt.
    assert intent_send(about_to_be_sent.pk) is None
    intents_sweep()
    intent_resolve(about_to_be_sent.pk)
    restorations_sync()

    about_to_be_sent.refresh_from_db()
    assert (about_to_be_sent.state, about_to_be_sent.exchange_order_id) == (OrderIntent.State.ACKED, sent)
    assert {order.order_id for order in Order.objects.filter(intent=None)} == unknown
    assert len(rig.paper.exchange.orders(rig.user_id)) == 3
    assert [path for path in rig.line.paths if path.startswith("/portfolio/events")] == writes_before
    restoration = Restoration.objects.get()
    assert restoration.reconciled_at is not None, restoration.report
    assert "compared since" in restoration.report[str(rig.account.pk)]["said"]
    pause = TradingPause.objects.get()
    assert "a lead opens trading" in pause.why
    assert AuditEntry.objects.filter(action="operations.restore.reconciled", desk_id=rig.account.desk_id).count() == 1
    pause_release(actor_of(lead), pause.pk)


def test_while_the_exchange_does_not_answer_trading_stays_closed_and_says_why(rig: Rig, place: Place) -> None:
    lead = make_person(rig.account.desk, "lead")
    file = place.backup()
    place.restore(file, replace=True)

    def down(path: str) -> None:
        raise ConnectionError("down")

    rig.line.before = down
    with pytest.raises(ConnectionError):
        restorations_follow()
    # Whoever died in the middle is followed by the next one at once.
    assert Restoration.objects.get().looked_at is None
    rig.line.before = lambda path: None
    rig.line.instead = lambda request: _busy()
    assert restorations_follow() == 0

    with pytest.raises(DeskError, match="were not read"):
        pause_release(actor_of(lead), TradingPause.objects.get().pk)

    rig.line.instead = lambda request: None
    later(rig)
    assert restorations_follow() == 1
    pause_release(actor_of(lead), TradingPause.objects.get().pk)


def test_an_order_in_doubt_keeps_it_closed(rig: Rig, place: Place) -> None:
    intent = make_intent(rig.account, make_person(rig.account.desk, "trader"), 3)
    file = place.backup()
    place.restore(file, replace=True)

    assert restorations_follow() == 0

    assert "1 orders are still in doubt" in Restoration.objects.get().report[str(rig.account.pk)]["said"]
    OrderIntent.objects.filter(pk=intent.pk).update(state=OrderIntent.State.NOT_SEEN)
    later(rig)
    assert restorations_follow() == 1


def test_another_worker_at_it_is_not_joined_until_its_claim_is_old(rig: Rig, place: Place) -> None:
    place.restore(place.backup(), replace=True)
    Restoration.objects.update(looked_at=utc_now())

    assert restorations_follow() == 0
    assert rig.line.paths == []

    later(rig)
    assert restorations_follow(now=utc_now() + reconcile.CLAIM_FOR + timedelta(seconds=1)) == 1


def test_an_account_without_a_key_holds_nobody_up(place: Place, tmp_path: Path) -> None:
    account = make_account(make_desk())
    place.restore(place.backup(), replace=True)

    assert restorations_follow() == 1

    assert Restoration.objects.get().report[str(account.pk)]["said"] == reconcile.NO_KEY


def _busy() -> Any:
    return httpx.Response(503, json={"error": {"code": "unavailable", "message": "later"}})
