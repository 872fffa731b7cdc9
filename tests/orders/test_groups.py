"""Order groups: asked of the exchange, told by it, and the rolling 15 s from our own fills."""

import json
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor
from apps.core.ports import FeedContext, commands
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.wire.api import groups as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas import OrderGroupUpdate
from apps.orders import feed
from apps.orders.group_events import group_row
from apps.orders.models import Fill, GroupAction, Order, OrderGroup
from apps.orders.services import (
    group_apply,
    group_send,
    groups_read,
    intent_send,
    intent_submit,
    intents_sweep,
    orders_reconcile,
)
from apps.paper.testing import LINEAR, InProcessPaper
from apps.vault.signing import KeySigner
from tests.orders.conftest import Place, Published, connect, make_market, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.paper import paper
from tests.support.people import actor_of, make_person

__all__ = ["paper"]

State = GroupAction.State
Queued = list[tuple[str, int]]


def ask(actor: Actor, name: str, /, **params: Any) -> dict[str, Any]:
    return commands[f"group.{name}"].handler(actor, {"idempotency_key": str(uuid.uuid4()), **params})


def make_group(place: Place, **over: Any) -> OrderGroup:
    now = utc_now() - timedelta(minutes=5)
    values: dict[str, Any] = {
        "account": place.account,
        "group_id": "og-1",
        "subaccount": 0,
        "contracts_limit": Decimal(100),
        "state": OrderGroup.State.ACTIVE,
        "changed_at": now,
        "seen_at": now,
    }
    return OrderGroup.objects.create(**values | over)


def key_of(group: OrderGroup) -> str:
    return f"group:{group.pk}"


# --- against the paper exchange -------------------------------------------------------------------


@pytest.fixture
def connected(
    place: Place, paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch, published: Published, queued: Queued
) -> InProcessPaper:
    make_market(ticker=LINEAR)
    signer = KeySigner.from_pem(key_id=paper.key_id("trader-1"), pem=paper.pem("trader-1"), scopes=("read", "write"))
    client = ExchangeClient([paper.base_url], signer, None, paper.transport, now_ms=paper.clock.now_ms)
    connect(monkeypatch, lambda account_id, write: client)
    return paper


def test_the_whole_life_of_a_group(place: Place, connected: InProcessPaper, published: Published) -> None:
    made = ask(place.trader, "create", name="Ladder", limit="50")
    assert made["group"]["state"] == "creating"
    group_send(made["action"]["id"])
    group = OrderGroup.objects.get()
    assert (group.state, group.contracts_limit) == ("active", Decimal(50))
    assert group.group_id

    intent = intent_submit(place.trader, make_ticket(place, ticker=LINEAR, order_group_id=group.group_id))
    intent_send(intent.pk)
    order = Order.objects.get()
    assert order.order_group_id == group.group_id
    assert group_row(group)["working"] == 1

    group_send(ask(place.trader, "limit", group=key_of(group), limit="75")["action"]["id"])
    group.refresh_from_db()
    assert group.contracts_limit == Decimal(75)

    group_send(ask(place.trader, "trigger", group=key_of(group))["action"]["id"])
    group.refresh_from_db()
    orders_reconcile(place.account.pk)
    order.refresh_from_db()
    assert (group.state, order.status) == ("triggered", "canceled")
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, ticker=LINEAR, order_group_id=group.group_id))
    assert refused.value.code == "group_not_active"

    group_send(ask(place.trader, "reset", group=key_of(group))["action"]["id"])
    group.refresh_from_db()
    assert group.state == "active"
    again = intent_submit(place.trader, make_ticket(place, ticker=LINEAR, order_group_id=group.group_id))
    intent_send(again.pk)
    again.refresh_from_db()
    assert again.state == "acked"

    group_send(ask(place.trader, "delete", group=key_of(group))["action"]["id"])
    group.refresh_from_db()
    orders_reconcile(place.account.pk)
    assert (group.state, Order.objects.get(intent=again).status) == ("deleted", "canceled")
    rows = [row for row in published.rows("groups") if row]
    versions = [row["v"] for row in rows]
    assert versions == sorted(set(versions))


def test_a_group_whose_event_came_before_its_answer_is_shown_once(
    place: Place, connected: InProcessPaper, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ask(place.trader, "create", name="Ladder", limit="50")
    create = api.create_group

    def told_first(*args: Any, **kwargs: Any) -> Any:
        answer = create(*args, **kwargs)
        group_apply(place.account.pk, answer.order_group_id, event="created", limit=Decimal(50), at=utc_now())
        return answer

    monkeypatch.setattr(api, "create_group", told_first)
    group_send(made["action"]["id"])

    group = OrderGroup.objects.get()
    shown: dict[str, Any] = {}
    for topic, rows in published.frames:
        shown |= rows if topic.startswith("groups:") else {}
    assert [(key, row["name"]) for key, row in shown.items() if row] == [(key_of(group), "Ladder")]
    assert len(shown) == 2


def test_the_listing_brings_groups_made_elsewhere_and_takes_what_is_gone(
    place: Place, connected: InProcessPaper
) -> None:
    with connected.client("trader-1") as client:
        answer = client.post("/portfolio/order_groups/create", json={"contracts_limit_fp": "30.00"})
        assert answer.status_code == 201
    gone = make_group(place, group_id="og-gone")

    groups_read(place.account.pk)

    found = OrderGroup.objects.get(group_id=answer.json()["order_group_id"])
    gone.refresh_from_db()
    assert (found.state, found.contracts_limit) == ("active", Decimal(30))
    assert gone.state == "deleted"


# --- what is in doubt -----------------------------------------------------------------------------


def put(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[httpx.Request]:
    """Answer PUT and DELETE in turn."""
    waiting, seen = list(answers), []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = ExchangeClient(["http://exchange.test"], None, None, httpx.MockTransport(handle))
    connect(monkeypatch, lambda account_id, write: client)
    return seen


LOST = httpx.ReadTimeout("answer lost")


@pytest.mark.parametrize("name", ["trigger", "delete"])
def test_the_safe_direction_is_repeated_until_it_is_confirmed(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, queued: Queued, name: str
) -> None:
    group = make_group(place)
    seen = put(monkeypatch, LOST, httpx.Response(200, json={}))
    action_id = ask(place.trader, name, group=key_of(group))["action"]["id"]
    group_send(action_id)
    assert GroupAction.objects.get().state == State.UNKNOWN

    GroupAction.objects.update(next_attempt_at=utc_now())
    queued.clear()
    intents_sweep()
    assert queued == [("group_send", action_id)]
    group_send(action_id)

    group.refresh_from_db()
    assert GroupAction.objects.get().state == State.DONE
    assert group.state == {"trigger": "triggered", "delete": "deleted"}[name]
    assert len(seen) == 2


@pytest.mark.parametrize(("name", "other"), [("limit", {"limit": "7"}), ("reset", {}), ("trigger", {})])
def test_a_key_stands_for_one_thing_of_one_group(place: Place, name: str, other: dict[str, str]) -> None:
    first, second = make_group(place), make_group(place, group_id="og-2")
    key = str(uuid.uuid4())
    told = ask(place.trader, "limit", group=f"group:{first.pk}", limit="50", idempotency_key=key)

    again = ask(place.trader, "limit", group=f"group:{first.pk}", limit="50", idempotency_key=key)
    with pytest.raises(DeskError) as refused:
        ask(place.trader, name, group=f"group:{first.pk}", idempotency_key=key, **other)
    with pytest.raises(DeskError) as elsewhere:
        ask(place.trader, "limit", group=f"group:{second.pk}", limit="50", idempotency_key=key)

    assert again == told
    assert {refused.value.code, elsewhere.value.code} == {"idempotency_mismatch"}
    assert GroupAction.objects.count() == 1


@pytest.mark.parametrize(("name", "params"), [("reset", {}), ("limit", {"limit": "500"})])
def test_the_unsafe_direction_is_sent_at_most_once(
    place: Place,
    exchange: ScriptedExchange,
    monkeypatch: pytest.MonkeyPatch,
    queued: Queued,
    name: str,
    params: dict[str, str],
) -> None:
    group = make_group(place, state=OrderGroup.State.TRIGGERED)
    seen = put(monkeypatch, LOST)
    action_id = ask(place.trader, name, group=key_of(group), **params)["action"]["id"]
    group_send(action_id)

    queued.clear()
    intents_sweep()
    assert group_send(action_id) is None

    group.refresh_from_db()
    assert queued == []
    assert (GroupAction.objects.get().state, group.state) == (State.UNKNOWN, "triggered")
    assert len(seen) == 1

    event = "reset" if name == "reset" else "limit_updated"
    group_apply(place.account.pk, "og-1", event=event, limit=Decimal(500) if params else None, at=utc_now())
    assert GroupAction.objects.get().state == State.DONE


def test_a_lost_create_stays_in_doubt_and_makes_no_second_group(
    place: Place, exchange: ScriptedExchange, queued: Queued
) -> None:
    exchange.creates = [exchange.lose_the_request]
    action_id = ask(place.trader, "create", name="A", limit="10")["action"]["id"]

    group_send(action_id)
    group_send(action_id)
    intents_sweep()

    assert len(exchange.sent("POST")) == 1
    assert GroupAction.objects.get().state == State.UNKNOWN
    assert OrderGroup.objects.get().state == "creating"


# --- what the exchange tells ----------------------------------------------------------------------


def test_g9_a_group_that_something_else_triggered_refuses_orders_until_reset(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    """RELIABILITY G9."""
    make_group(place)
    waiting = intent_submit(place.trader, make_ticket(place, order_group_id="og-1"))
    context = FeedContext(account_id=place.account.pk, environment="paper", recv_ms=to_unix_ms(utc_now()))
    event = OrderGroupUpdate(order_group_id="og-1", event_type="triggered", ts_ms=to_unix_ms(utc_now()))
    feed.groups_received(context, [event, event])

    intent_send(waiting.pk)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == ("refused", "group_not_active")
    assert exchange.sent("POST") == []
    row = published.rows("groups")[-1]
    assert row is not None
    assert (row["state"], row["is_usable"]) == ("triggered", False)


def test_a_late_event_changes_nothing(place: Place) -> None:
    group = make_group(place, state=OrderGroup.State.TRIGGERED, changed_at=utc_now())

    group_apply(place.account.pk, "og-1", event="reset", limit=None, at=utc_now() - timedelta(seconds=30))

    group.refresh_from_db()
    assert group.state == "triggered"


def test_the_window_rolls_and_a_reset_empties_it(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    group = make_group(place)
    intent = intent_submit(place.trader, make_ticket(place, order_group_id="og-1"))
    intent_send(intent.pk)
    assert json.loads(exchange.sent("POST")[0].content)["order_group_id"] == "og-1"
    order = Order.objects.get()
    exchange.fill(exchange.orders[order.order_id], "4.00")
    exchange.orders[order.order_id]["order_group_id"] = "og-1"
    orders_reconcile(place.account.pk)

    row = published.rows("groups")[-1]
    assert row is not None
    assert (row["use"], len(row["recent"])) == ("4.00", 1)
    Fill.objects.update(traded_at=utc_now() - timedelta(seconds=16))
    assert group_row(group)["use"] == "0.00"
    Fill.objects.update(traded_at=utc_now() - timedelta(seconds=5))
    assert group_row(group)["use"] == "4.00"
    group_apply(place.account.pk, "og-1", event="reset", limit=None, at=utc_now())
    group.refresh_from_db()
    assert group_row(group)["use"] == "0.00"


def test_who_may_and_whose_group_it_is(place: Place, exchange: ScriptedExchange) -> None:
    group = make_group(place)
    lead = actor_of(make_person(place.desk, "lead"))
    stranger = actor_of(make_person(group.account.desk.__class__.objects.exclude(pk=place.desk.pk)[0], "trader"))

    assert ask(lead, "trigger", group=key_of(group))["action"]["state"] == State.COMMITTED
    for actor, name in ((lead, "reset"), (place.viewer, "trigger")):
        with pytest.raises(NotAllowed):
            ask(actor, name, group=key_of(group))
    with pytest.raises(NotFound):
        ask(stranger, "trigger", group=key_of(group))
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, order_group_id="og-unknown"))
    assert refused.value.code == "group_unknown"
