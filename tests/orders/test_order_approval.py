"""A large order waits for a second person; it is placed by that person's yes, at the book and limits of then."""

import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.four_eyes import change_approve, changes_expire, moved_since, seen_hash
from apps.accounts.four_eyes_kinds import policy_set
from apps.accounts.grant_changes import grants_change
from apps.accounts.models import ChangeRequest, Membership, Notice, User
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Grant
from apps.core.ports import commands
from apps.core.timestamps import utc_now
from apps.orders.models import OrderIntent, RiskLimit
from apps.orders.services import batch_check, intent_send, intent_submit
from tests.orders.blotter import client_as, make_order
from tests.orders.conftest import TICKER, Place, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, client_of, make_person

pytestmark = pytest.mark.django_db
State = ChangeRequest.State


@pytest.fixture
def lead(place: Place) -> Actor:
    lead = actor_of(make_person(place.desk, "lead"))
    threshold(place, lead, approve_count=Decimal(50), approve_notional=Decimal(20), price_band=Decimal("0.25"))
    return lead


def threshold(place: Place, lead: Actor, **over: Any) -> None:
    RiskLimit.objects.create(desk=place.desk, set_by_id=lead.user_id, set_at=utc_now(), **over)


def ask(place: Place, *, by: Actor | None = None, **over: Any) -> ChangeRequest:
    """Place an order over the socket that is above the threshold."""
    params = {
        "idempotency_key": str(uuid.uuid4()),
        "ticker": TICKER,
        "side": "buy_yes",
        "price": "0.56",
        "count": "60",
    } | over
    with pytest.raises(DeskError) as asked:
        commands["order.place"].handler(by or replace(place.trader, account_id=place.account.pk), params)
    assert asked.value.code == "approval_asked"
    assert not OrderIntent.objects.exists()
    return ChangeRequest.objects.latest("pk")


def approve(by: Actor, row: ChangeRequest) -> ChangeRequest:
    return change_approve(by, row.pk, hash_seen=seen_hash(row))


@pytest.mark.parametrize(
    ("price", "count", "waits"),
    [("0.10", "50", False), ("0.10", "51", True), ("0.50", "40", False), ("0.50", "41", True)],
)
def test_what_is_above_either_threshold_waits(place: Place, lead: Actor, price: str, count: str, waits: bool) -> None:
    ticket = make_ticket(place, price=Decimal(price), count=Decimal(count))
    if waits:
        with pytest.raises(DeskError) as refused:
            intent_submit(place.trader, ticket)
        assert refused.value.code == "approval_needed"
    else:
        assert intent_submit(place.trader, ticket).state == OrderIntent.State.COMMITTED
    assert OrderIntent.objects.exists() is not waits


def test_the_second_person_places_exactly_what_was_asked(place: Place, lead: Actor, exchange: ScriptedExchange) -> None:
    row = ask(place)
    assert row.title == f"Buy YES 60 {TICKER} at 56¢, $33.60"
    assert Notice.objects.filter(user_id=lead.user_id, kind="approval.asked").count() == 1

    assert approve(lead, row).state == State.USED

    intent = OrderIntent.objects.get()
    assert (intent.placed_by_id, intent.count, intent.price) == (place.trader.user_id, 60, Decimal("0.56"))
    assert intent.approval_id == row.pk
    intent_send(intent.pk)
    intent.refresh_from_db()
    assert intent.state == OrderIntent.State.ACKED
    with pytest.raises(DeskError) as again:
        approve(lead, row)
    assert again.value.code == "approval_over"
    assert OrderIntent.objects.count() == 1


def test_asking_twice_is_one_request_though_the_book_moved(place: Place, lead: Actor) -> None:
    key = str(uuid.uuid4())
    first = ask(place, idempotency_key=key)
    place.market.yes_bid, place.market.yes_ask = Decimal("0.57"), Decimal("0.59")
    place.market.save()

    second = ask(place, idempotency_key=key)

    assert first == second
    moved = {fact["name"]: (fact["before"], fact["now"]) for fact in moved_since(second)}
    assert moved["best ask"] == ("-", "59¢, last known: there is no live book")
    assert approve(lead, second).state == State.USED  # a book that drifts does not undo what was seen


def test_who_trades_on_one_subaccount_withdraws_their_own_and_nobody_elses(place: Place, lead: Actor) -> None:
    person = make_person(place.desk)
    grant = Grant("trader", place.account.pk, 2)
    grants_change(place.desk, user_id=person.pk, add=[grant])
    browser, limited = client_of(person), replace(actor_of(person), account_id=place.account.pk, subaccount=2)
    theirs, mine = ask(place), ask(place, by=limited, count="70")

    page = browser.get(reverse("approvals")).content.decode()
    assert (mine.title in page, theirs.title in page) == (True, False)
    assert "position" in page
    assert "Four eyes are wanted for" not in page
    assert browser.post(reverse("approval_decline"), {"request": theirs.pk}).status_code == 403
    # What it would show of a place that they were taken out of is not theirs any more; the wish is.
    grants_change(place.desk, user_id=person.pk, add=[Grant("trader", place.account.pk, 5)], remove=[grant])
    assert "position" not in browser.get(reverse("approvals")).content.decode()
    browser.post(reverse("approval_decline"), {"request": mine.pk})

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.state, mine.decided_by, theirs.state) == (State.DECLINED, None, State.OPEN)


def test_nobody_approves_their_own_nor_without_a_leads_right(place: Place, lead: Actor) -> None:
    both = make_person(place.desk, "trader", "lead")
    row = ask(replace(place, trader=actor_of(both)))

    with pytest.raises(DeskError) as own:
        approve(actor_of(both), row)
    with pytest.raises(NotAllowed):
        approve(actor_of(make_person(place.desk, "admin")), row)

    assert own.value.code == "own_approval"
    assert not OrderIntent.objects.exists()


@pytest.mark.parametrize("change", ["price band", "market", "role", "limit"])
def test_carrying_it_out_asks_everything_again(place: Place, lead: Actor, change: str) -> None:
    row = ask(place)
    if change == "price band":
        place.market.yes_bid, place.market.yes_ask = Decimal("0.10"), Decimal("0.12")
    elif change == "market":
        place.market.close_time = utc_now() - timedelta(minutes=1)
    elif change == "role":
        Membership.objects.filter(user_id=place.trader.user_id).update(roles=["viewer"])
    else:
        threshold(place, lead, user_id=place.trader.user_id, max_count=Decimal(59))
    place.market.save()

    assert approve(lead, row).state == State.FAILED

    assert not OrderIntent.objects.exists()


@pytest.mark.parametrize("name", ["count", "price", "ticker", "side", "account_id"])
def test_an_edited_request_is_refused(place: Place, lead: Actor, name: str) -> None:
    row = ask(place)
    seen = seen_hash(row)
    row.params |= {name: {"count": "61", "price": "0.57", "ticker": "KXOTHER", "side": "buy_no"}.get(name, 7)}
    row.save()

    for hash_seen in (seen, seen_hash(row)):
        with pytest.raises(DeskError) as refused:
            change_approve(lead, row.pk, hash_seen=hash_seen)
        assert refused.value.code == "approval_changed"
    assert not OrderIntent.objects.exists()


def test_it_is_good_for_ten_minutes(place: Place, lead: Actor) -> None:
    row = ask(place)
    assert row.expires_at - row.asked_at == timedelta(minutes=10)
    ChangeRequest.objects.update(expires_at=utc_now() - timedelta(seconds=1))

    with pytest.raises(DeskError) as late:
        approve(lead, row)
    assert changes_expire() == 1

    assert late.value.code == "approval_expired"
    row.refresh_from_db()
    assert row.state == State.DECLINED
    assert changes_expire() == 0


def test_a_batch_and_an_amend_are_no_way_around(place: Place, lead: Actor, exchange: ScriptedExchange) -> None:
    resting = make_order(place)
    amend = {
        "order_id": resting.order_id,
        "price": "0.56",
        "count": "60",
        "idempotency_key": str(uuid.uuid4()),
        "seen": {"price": "0.56", "count": "10", "filled": "0"},
    }
    with pytest.raises(DeskError) as amended:
        commands["order.amend"].handler(replace(place.trader, account_id=place.account.pk), amend)
    [line] = batch_check(place.trader, {1: make_ticket(place, count=Decimal(60))}, faults={})

    assert amended.value.code == "approval_needed"
    assert line.error is not None
    assert line.error.code == "approval_needed"


def test_a_threshold_that_is_lowered_holds_back_what_waits_to_be_sent(
    place: Place, lead: Actor, exchange: ScriptedExchange
) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    threshold(place, lead, approve_count=Decimal(5), ticker=TICKER)

    intent_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (OrderIntent.State.REFUSED, "approval_needed")
    assert exchange.sent("POST") == []


def test_the_page_shows_what_moved_to_who_may_approve(place: Place, lead: Actor) -> None:
    row = ask(place)
    page = client_as(place, "lead").get("/team/approvals/").content.decode()
    traders = client_as(place, "admin").get("/team/approvals/").content.decode()

    assert row.title in page
    assert "best bid" in page
    assert f"Approve: {row.title}" in page
    assert row.title in traders
    assert f"Approve: {row.title}" not in traders
    with pytest.raises(DeskError):
        policy_set(lead, ["order"])  # it is set by the limits, not here


def test_the_plain_form_asks_too(place: Place, lead: Actor) -> None:
    browser = client_of(User.objects.get(pk=place.trader.user_id))
    form = {
        "idempotency_key": str(uuid.uuid4()),
        "side": "buy_yes",
        "price": "56",
        "count": "60",
        "time_in_force": "good_till_canceled",
    }

    answer = browser.post(reverse("order_place", args=[TICKER]), form)

    assert answer.status_code == 422
    assert "a second person was asked" in answer.content.decode()
    assert ChangeRequest.objects.get().kind == "order"


# --- many small orders -----------------------------------------------------------------------------


def split(place: Place, *counts: int, **over: Any) -> list[OrderIntent]:
    return [
        intent_submit(place.trader, make_ticket(place, price=Decimal("0.10"), count=Decimal(count), **over))
        for count in counts
    ]


def refused_words(place: Place, count: int = 20, **over: Any) -> str:
    """Return what the second person is shown of one more order; "" when it passes."""
    params = {
        "idempotency_key": str(uuid.uuid4()),
        "ticker": TICKER,
        "side": "buy_yes",
        "price": "0.10",
        "count": str(count),
    } | over
    before = ChangeRequest.objects.count()
    with suppress(DeskError):
        answer = commands["order.place"].handler(replace(place.trader, account_id=place.account.pk), params)
        assert answer["intent"]
        return ""
    assert ChangeRequest.objects.count() == before + 1, "it was refused for something else"
    return ChangeRequest.objects.latest("pk").title


def test_small_orders_of_one_person_are_one_order_to_the_threshold(place: Place, lead: Actor) -> None:
    split(place, 20, 20)
    assert not refused_words(place, 10), "as much as may be is not more"
    title = refused_words(place, 1)
    assert title.endswith("with 3 other orders of yours (50) here in the last 10 min")
    # The other side adds nothing, and other people have an allowance of their own.
    assert not refused_words(place, 15, side="sell_yes")
    other = actor_of(make_person(place.desk, "trader"))
    assert intent_submit(other, make_ticket(place, price=Decimal("0.10"), count=Decimal(30)))
    # Buying the other outcome to sell is the same side of the book.
    assert refused_words(place, 1, side="sell_no", price="0.90")


def test_what_is_over_old_refused_or_was_approved_adds_nothing(
    place: Place, lead: Actor, exchange: ScriptedExchange
) -> None:
    approve(lead, ask(place, price="0.10", count="60"))
    old, refused, cancelled = split(place, 1, 1, 1)
    OrderIntent.objects.filter(pk=old.pk).update(created_at=utc_now() - timedelta(minutes=11), count=Decimal(45))
    OrderIntent.objects.filter(pk=refused.pk).update(state=OrderIntent.State.REFUSED, count=Decimal(45))
    make_order(place, intent=cancelled, price=Decimal("0.10"), status="canceled")
    assert not refused_words(place, 50)


@pytest.mark.parametrize(("minutes", "passes"), [(0, True), (5, True), (30, False)])
def test_the_minutes_are_of_the_limit(place: Place, lead: Actor, minutes: int, passes: bool) -> None:
    RiskLimit.objects.update(approve_within=minutes)
    (first,) = split(place, 45)
    OrderIntent.objects.filter(pk=first.pk).update(created_at=utc_now() - timedelta(minutes=8))
    assert (refused_words(place, 45) == "") is passes


def test_lines_of_a_batch_add_up_and_the_later_of_two_at_once_is_not_sent(
    place: Place, lead: Actor, exchange: ScriptedExchange
) -> None:
    lines = batch_check(
        place.trader,
        {number: make_ticket(place, price=Decimal("0.10"), count=Decimal(20)) for number in (1, 2, 3)},
        faults={},
    )
    assert [line.error.code if line.error else "" for line in lines] == ["", "", "approval_needed"]

    RiskLimit.objects.update(approve_within=0)
    first, second = split(place, 30, 30)
    RiskLimit.objects.update(approve_within=None)
    for intent in (second, first):
        intent_send(intent.pk)
        intent.refresh_from_db()
    assert second.error_code == "approval_needed"
    assert "60 contracts, with another order of yours (30)" in second.error_text
    assert first.error_code != "approval_needed"


def test_of_two_at_once_it_does_not_matter_which_was_numbered_first(
    place: Place, lead: Actor, exchange: ScriptedExchange
) -> None:
    """PostgreSQL numbers a row before its commit: the one with the smaller number may come to light later."""
    RiskLimit.objects.update(approve_within=0)
    first, second = split(place, 30, 30)
    RiskLimit.objects.update(approve_within=None)
    OrderIntent.objects.filter(pk=first.pk).update(state=OrderIntent.State.REFUSED)  # not to be seen yet
    intent_send(second.pk)
    OrderIntent.objects.filter(pk=first.pk).update(state=OrderIntent.State.COMMITTED)

    intent_send(first.pk)

    first.refresh_from_db()
    second.refresh_from_db()
    assert second.error_code != "approval_needed"
    assert first.error_code == "approval_needed"
