"""A create of an order group whose answer was lost is joined to the group that appeared, or says why it cannot be."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.ports import commands
from apps.core.timestamps import utc_now
from apps.exchange.wire.api import groups as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import OutcomeUnknown
from apps.orders.group_events import group_row
from apps.orders.models import GroupAction, OrderGroup
from apps.orders.services import group_apply, group_send, groups_read, intent_submit
from apps.orders.services.group_joins import GONE_AFTER
from apps.paper.testing import LINEAR, InProcessPaper
from apps.vault.signing import KeySigner
from tests.orders.conftest import Place, Published, connect, make_market, make_ticket
from tests.support.paper import paper

__all__ = ["paper"]

Queued = list[tuple[str, int]]
Create = Callable[..., Any]


@pytest.fixture
def connected(
    place: Place, paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch, published: Published, queued: Queued
) -> InProcessPaper:
    make_market(ticker=LINEAR)
    signer = KeySigner.from_pem(key_id=paper.key_id("trader-1"), pem=paper.pem("trader-1"), scopes=("read", "write"))
    client = ExchangeClient([paper.base_url], signer, None, paper.transport, now_ms=paper.clock.now_ms)
    connect(monkeypatch, lambda account_id, write: client)
    return paper


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every create arrives and its answer is lost; the ids that it made."""
    create, made = api.create_group, list[str]()

    def acted_and_lost(*args: Any, **kwargs: Any) -> Any:
        made.append(create(*args, **kwargs).order_group_id)
        raise OutcomeUnknown("The answer was lost.")

    monkeypatch.setattr(api, "create_group", acted_and_lost)
    return made


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """No create arrives, and nobody can tell."""

    def lost_on_the_way(*args: Any, **kwargs: Any) -> Any:
        raise OutcomeUnknown("The answer was lost.")

    monkeypatch.setattr(api, "create_group", lost_on_the_way)


def create(place: Place, name: str = "Ladder", limit: str = "50") -> GroupAction:
    params = {"idempotency_key": str(uuid.uuid4()), "name": name, "limit": limit}
    answer = commands["group.create"].handler(place.trader, params)
    group_send(answer["action"]["id"])
    return GroupAction.objects.get(pk=answer["action"]["id"])


def elsewhere(paper: InProcessPaper, limit: str = "50.00", subaccount: int = 0) -> str:
    with paper.client("trader-1") as client:
        body = {"contracts_limit_fp": limit, "subaccount": subaccount}
        answer = client.post("/portfolio/order_groups/create", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_group_id"])


def told(place: Place, group_id: str, *, limit: int = 50) -> None:
    """The exchange's own event."""
    group_apply(place.account.pk, group_id, event="created", limit=Decimal(limit), at=utc_now())


@pytest.mark.parametrize("how", ["event", "listing", "event_before_the_loss"])
def test_the_group_that_appeared_takes_the_row_that_was_asked_for(
    place: Place,
    connected: InProcessPaper,
    lost: list[str],
    published: Published,
    queued: Queued,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    if how == "event_before_the_loss":
        acted = api.create_group

        def told_first(*args: Any, **kwargs: Any) -> Any:
            try:
                return acted(*args, **kwargs)
            finally:
                told(place, lost[-1])

        monkeypatch.setattr(api, "create_group", told_first)
    action = create(place)
    assert queued[-1] == ("account_orders_sync", place.account.pk)
    if how == "event":
        queued.clear()
        told(place, lost[0])
        assert queued == [("account_orders_sync", place.account.pk)]
    groups_read(place.account.pk)

    group = OrderGroup.objects.get()
    action.refresh_from_db()
    assert (action.state, group.group_id, group.name, group.state) == ("done", lost[0], "Ladder", "active")
    shown: dict[str, Any] = {}
    for topic, rows in published.frames:
        shown |= rows if topic.startswith("groups:") else {}
    assert [row["name"] for row in shown.values() if row] == ["Ladder"]
    # An order goes into it as into any other.
    intent_submit(place.trader, make_ticket(place, ticker=LINEAR, order_group_id=lost[0]))


@pytest.mark.parametrize(
    ("limit", "subaccount", "is_before"),
    [("49.00", 0, False), ("50.00", 1, False), ("50.00", 0, True)],
    ids=["another limit", "another subaccount", "there before"],
)
def test_a_group_that_cannot_be_it_keeps_its_own_row(
    place: Place, connected: InProcessPaper, never: None, limit: str, subaccount: int, is_before: bool
) -> None:
    if is_before:
        other = elsewhere(connected, limit, subaccount)
    action = create(place)
    if not is_before:
        other = elsewhere(connected, limit, subaccount)
    if subaccount:
        # What tells its subaccount here is a row of before; without it the first listing leaves it open.
        OrderGroup.objects.filter(group_id=other).delete()
        group_apply(place.account.pk, other, event="created", limit=Decimal(9), at=utc_now(), is_told=False)
        OrderGroup.objects.filter(group_id=other).update(subaccount=1, contracts_limit=Decimal(50))
    groups_read(place.account.pk)

    action.refresh_from_db()
    assert action.state == GroupAction.State.UNKNOWN
    assert set(OrderGroup.objects.values_list("group_id", "name")) == {(None, "Ladder"), (other, "")}


def test_where_two_groups_fit_the_row_says_that_nobody_can_tell(
    place: Place, connected: InProcessPaper, lost: list[str]
) -> None:
    other: list[str] = []
    acted = api.create_group

    def two_at_once(*args: Any, **kwargs: Any) -> Any:
        other.append(elsewhere(connected))
        return acted(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "create_group", two_at_once)
        action = create(place)
    groups_read(place.account.pk)

    action.refresh_from_db()
    assert (action.state, action.error_code) == ("unknown", "ambiguous")
    assert "2 new groups with this limit" in group_row(action.group)["action_text"]
    assert OrderGroup.objects.exclude(group_id=None).count() == 2

    # One of them is deleted: then the other is it.
    group_apply(place.account.pk, other[0], event="deleted", limit=None, at=utc_now() + timedelta(seconds=1))
    groups_read(place.account.pk)
    action.refresh_from_db()
    assert (action.state, action.group.group_id) == ("done", lost[0])


def test_a_create_that_never_arrived_is_not_seen_and_a_late_one_still_comes_home(
    place: Place, connected: InProcessPaper, never: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = create(place)
    groups_read(place.account.pk)
    action.refresh_from_db()
    assert action.state == GroupAction.State.UNKNOWN

    GroupAction.objects.update(sent_at=utc_now() - GONE_AFTER - timedelta(seconds=1))
    groups_read(place.account.pk)

    action.refresh_from_db()
    assert (action.state, action.error_code, action.group.state) == ("refused", "not_seen", "failed")
    assert "Not seen at the exchange" in group_row(action.group)["action_text"]

    late = elsewhere(connected)
    told(place, late)
    groups_read(place.account.pk)
    action.refresh_from_db()
    group = OrderGroup.objects.get()
    assert (action.state, group.group_id, group.name, group.state) == ("done", late, "Ladder", "active")


def test_the_subaccount_of_a_group_made_elsewhere_is_asked_for_never_guessed(
    place: Place, connected: InProcessPaper
) -> None:
    other = elsewhere(connected, "30.00", subaccount=2)
    told(place, other, limit=30)
    group = OrderGroup.objects.get()
    assert group_row(group)["subaccount"] is None
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, ticker=LINEAR, order_group_id=other))
    assert refused.value.code == "group_unplaced"

    # Nobody here ever used subaccount 2, so a plain listing does not find it; before it is asked, it is looked for.
    groups_read(place.account.pk)
    group.refresh_from_db()
    assert group.subaccount is None
    params = {"idempotency_key": str(uuid.uuid4()), "group": f"group:{group.pk}"}
    group_send(commands["group.trigger"].handler(place.trader, params)["action"]["id"])

    group.refresh_from_db()
    assert (group.subaccount, group.state) == (2, "triggered")
    assert GroupAction.objects.get().state == GroupAction.State.DONE
