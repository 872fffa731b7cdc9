"""Roles on one account or subaccount: given by an admin on a person's page, and what they let a person do."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.access import account_get, accounts_seen, accounts_visible, presence_load
from apps.accounts.four_eyes import change_approve, seen_hash
from apps.accounts.four_eyes_kinds import policy_set
from apps.accounts.grant_changes import grants_change
from apps.accounts.grants import MOST
from apps.accounts.models import ChangeRequest, Desk, ExchangeAccount, Membership, Notice, User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import MASKED_VIEWER, Actor, Grant, Permission, Reach
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of as sender_actor_of
from apps.orders.models import CancelIntent, CancelRun, Order, OrderGroup, OrderIntent
from apps.orders.services import cancel_all, cancel_many, cancel_submit, intent_send, intent_submit
from apps.orders.services.cancel_runs import cancel_runs_follow
from apps.orders.services.groups import group_ask
from apps.orders.trading_events import trading_frame
from apps.portfolio.models import Balance, SubaccountAction
from apps.portfolio.sending import action_send
from apps.portfolio.transfers import transfer_submit
from apps.rfq.asks import Ask
from apps.rfq.models import Rfq
from apps.rfq.services.quotes import pull_all
from apps.rfq.services.requests import rfq_close, rfq_submit
from tests.orders.conftest import (
    TICKER,
    Place,
    Published,
    commits,
    exchange,
    make_ticket,
    place,
    published,
    queued,
)
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person

__all__ = ["commits", "exchange", "place", "published", "queued"]
pytestmark = pytest.mark.django_db
Queued = list[tuple[str, int]]


def give(person: User, desk: Desk, *grants: Grant) -> Actor:
    """Give roles, and return who the person is now, on the account and subaccount of the first."""
    grants_change(desk, user_id=person.pk, add=grants)
    return replace(actor_of(person), account_id=grants[0].account_id, subaccount=grants[0].subaccount or 0)


@pytest.fixture
def limited(place: Place) -> Actor:
    """Sees the whole desk, and trades on subaccount 2 of its account."""
    person = make_person(place.desk, "viewer")
    account = place.account.pk
    return give(person, place.desk, Grant("trader", account, 2), Grant("quoter", account, 2))


def make_order(account: ExchangeAccount, subaccount: int) -> Order:
    return Order.objects.create(
        account=account,
        subaccount=subaccount,
        order_id=f"order-{account.pk}-{subaccount}",
        ticker=TICKER,
        book_side="bid",
        price=Decimal("0.40"),
        initial_count=Decimal(5),
        remaining_count=Decimal(5),
        status=Order.Status.RESTING,
        created_at=utc_now(),
        seen_at=utc_now(),
        source="rest",
    )


def make_rfq(place: Place, subaccount: int) -> Rfq:
    return Rfq.objects.create(
        account=place.account,
        desk=place.desk,
        subaccount=subaccount,
        placed_by_id=place.trader.user_id,
        owner_id=place.trader.user_id,
        idempotency_key=uuid.uuid4(),
        ticker=TICKER,
        contracts=Decimal(5),
        state="open",
        created_at=utc_now(),
    )


# --- what it lets a person do ----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["another subaccount", "another account"])
def test_no_write_leaves_the_subaccount_that_was_given(
    where: str, limited: Actor, place: Place, queued: Queued, published: Published
) -> None:
    account = place.account if where == "another subaccount" else make_account(place.desk)
    number = 1 if where == "another subaccount" else 2
    order, elsewhere = make_order(account, number), replace(limited, account_id=account.pk, subaccount=number)
    group = OrderGroup.objects.create(
        account=account,
        subaccount=number,
        group_id="group-1",
        contracts_limit=Decimal(5),
        state=OrderGroup.State.ACTIVE,
        changed_at=utc_now(),
        seen_at=utc_now(),
    )
    rfq = make_rfq(replace(place, account=account), number)
    ask = Ask(uuid.uuid4(), account.pk, number, ticker=TICKER, contracts=Decimal(1))
    writes: list[Callable[[], Any]] = [
        lambda: intent_submit(elsewhere, make_ticket(place, account_id=account.pk, subaccount=number)),
        lambda: cancel_submit(elsewhere, order, idempotency_key=uuid.uuid4()),
        lambda: cancel_many(elsewhere, account_id=account.pk, keys=[f"order:{order.order_id}"]),
        lambda: group_ask(elsewhere, group, group.actions.model.Kind.TRIGGER, idempotency_key=uuid.uuid4()),
        lambda: rfq_submit(elsewhere, ask),
        lambda: rfq_close(elsewhere, rfq),
        lambda: transfer_submit(elsewhere, source=number, target=9, amount=Decimal(1), idempotency_key=uuid.uuid4()),
    ]
    before = (OrderIntent.objects.count(), Rfq.objects.filter(close_wanted_at=None).count())
    for write in writes:
        with pytest.raises(NotAllowed):
            write()

    assert cancel_all(elsewhere, account_id=account.pk).cancels == 0
    assert pull_all(elsewhere, account_id=account.pk) == []
    assert (OrderIntent.objects.count(), Rfq.objects.filter(close_wanted_at=None).count()) == before
    assert queued == []


def test_where_it_was_given_everything_of_the_role_works(
    limited: Actor, place: Place, queued: Queued, published: Published
) -> None:
    mine, other = make_order(place.account, 2), make_order(place.account, 1)

    intent = intent_submit(limited, make_ticket(place, subaccount=2))
    done = cancel_all(limited, account_id=place.account.pk)

    assert intent.subaccount == 2
    assert (done.cancels, done.withdrawn) == (1, 1)
    assert mine.cancels.count() == 1
    assert other.cancels.count() == 0
    assert rfq_close(limited, make_rfq(place, 2)).close_wanted_at is not None


def test_a_request_of_another_subaccount_is_not_replaced(limited: Actor, place: Place, queued: Queued) -> None:
    """The exchange keeps one request of an account on a market, and closes the older, whosever it is."""
    theirs = make_rfq(place, 1)
    ask = Ask(uuid.uuid4(), place.account.pk, 2, ticker=TICKER, contracts=Decimal(1), replace_existing=True)

    with pytest.raises(DeskError) as refused:
        rfq_submit(limited, ask)
    assert refused.value.code == "rfq_open"
    assert Rfq.objects.get() == theirs

    Rfq.objects.update(subaccount=2)
    assert rfq_submit(limited, ask).replace_existing


def test_a_cancel_of_all_ends_with_the_orders_of_whoever_asked(
    limited: Actor, place: Place, queued: Queued, published: Published
) -> None:
    mine, _ = make_order(place.account, 2), make_order(place.account, 1)
    cancel_all(limited, account_id=place.account.pk)
    run = CancelRun.objects.get()

    cancel_runs_follow()
    run.refresh_from_db()
    assert run.finished_at is None
    Order.objects.filter(pk=mine.pk).update(status=Order.Status.CANCELED)
    cancel_runs_follow()
    run.refresh_from_db()

    assert run.finished_at is not None
    assert Order.objects.filter(subaccount=1, cancels=None).count() == 1


def test_a_cancel_of_all_counts_what_is_left_where_whoever_asked_may_cancel(
    limited: Actor, place: Place, queued: Queued, published: Published
) -> None:
    mine, _ = make_order(place.account, 2), make_order(place.account, 1)
    for subaccount in (1, 2):
        intent_submit(place.trader, make_ticket(place, subaccount=subaccount))
    OrderIntent.objects.update(state=OrderIntent.State.UNKNOWN)
    cancel_all(limited, account_id=place.account.pk)
    cancel_all(place.trader, account_id=place.account.pk)

    theirs, of_all = trading_frame(place.account.pk)["cancel_runs"]
    assert (theirs["subaccounts"], theirs["left"], theirs["unresolved"]) == ([2], 1, 1)
    assert (of_all["subaccounts"], of_all["left"], of_all["unresolved"]) == (None, 2, 2)

    Order.objects.filter(pk=mine.pk).update(status=Order.Status.CANCELED)
    OrderIntent.objects.filter(subaccount=2).update(state=OrderIntent.State.REFUSED)
    theirs, of_all = trading_frame(place.account.pk)["cancel_runs"]
    assert (theirs["left"], theirs["unresolved"], of_all["left"], of_all["unresolved"]) == (0, 0, 1, 1)

    # The refusal of a cancel elsewhere is not theirs to read, either.
    CancelIntent.objects.filter(order__subaccount=1).update(state=CancelIntent.State.REFUSED, error_text="paused")
    theirs, of_all = trading_frame(place.account.pk)["cancel_runs"]
    assert (theirs["why"], of_all["why"]) == ("", "paused")


def test_the_sender_asks_again_where(limited: Actor, place: Place, exchange: ScriptedExchange) -> None:
    intent = intent_submit(limited, make_ticket(place, subaccount=2))
    grants_change(
        place.desk,
        user_id=limited.user_id,
        remove=[Grant("trader", place.account.pk, 2)],
        add=[Grant("trader", place.account.pk, 1)],
    )

    intent_send(intent.pk)
    intent.refresh_from_db()

    assert intent.state == OrderIntent.State.REFUSED
    assert exchange.sent("POST") == []


def test_an_order_costs_no_more_reads_for_it(
    limited: Actor, place: Place, queued: Queued, published: Published, django_assert_num_queries: Any
) -> None:
    grants_change(place.desk, user_id=limited.user_id, add=[Grant("viewer", place.account.pk, n) for n in range(9)])

    Membership.objects.filter(user_id=limited.user_id).update(roles=["analyst"])  # of viewers the desk is read, too

    with django_assert_num_queries(1):
        actor = sender_actor_of(user_id=limited.user_id, desk_id=place.desk.pk)
    assert actor is not None
    with django_assert_num_queries(0):
        assert actor.may_on(Permission.ORDER_PLACE, place.account.pk, 2)
        assert not actor.may_on(Permission.ORDER_PLACE, place.account.pk, 1)
        assert not actor.may_on(Permission.ORDER_PLACE, place.account.pk, None)


@pytest.mark.parametrize(("source", "target"), [(2, 1), (1, 2), (1, 3)])
def test_no_cash_leaves_or_enters_what_was_not_given(
    source: int, target: int, limited: Actor, place: Place, queued: Queued, published: Published
) -> None:
    for number in (1, 2, 3):
        Balance.objects.create(account=place.account, subaccount=number, cash=Decimal(100), seen_at=utc_now())

    with pytest.raises(NotAllowed):
        transfer_submit(limited, source=source, target=target, amount=Decimal(1), idempotency_key=uuid.uuid4())

    assert not SubaccountAction.objects.exists()
    give(User.objects.get(pk=limited.user_id), place.desk, Grant("trader", place.account.pk, 3))
    wider = replace(limited, grants=limited.grants | {Grant("trader", place.account.pk, 3)})
    action = transfer_submit(wider, source=2, target=3, amount=Decimal(1), idempotency_key=uuid.uuid4())
    grants_change(place.desk, user_id=limited.user_id, remove=[Grant("trader", place.account.pk, 3)])
    action_send(action.pk)
    action.refresh_from_db()
    assert (action.state, action.error_code, action.sent_at) == (SubaccountAction.State.REFUSED, "not_allowed", None)


# --- what it lets a person see ---------------------------------------------------------------------------


def test_pickers_hold_what_one_may_see(place: Place) -> None:
    other = make_account(place.desk)
    person = make_person(place.desk)
    give(person, place.desk, Grant("trader", place.account.pk, 3), Grant("viewer", place.account.pk, 5))

    chosen = presence_load(person.pk, {"account_id": other.pk, "subaccount": 4})

    assert chosen is not None
    assert (chosen.account, chosen.subaccount) == (place.account, 3)
    assert chosen.actor.roles == {MASKED_VIEWER}
    assert list(accounts_seen(chosen.actor)) == [place.account]
    assert list(accounts_visible(chosen.actor)) == []
    for account_id in (place.account.pk, other.pk):
        with pytest.raises(NotFound):
            account_get(chosen.actor, account_id)
    browser = client_of(person)
    [row] = browser.get(reverse("markets")).context["frame"]["accounts"]
    assert (row["id"], row["subaccounts"]) == (place.account.pk, [3, 5])
    for account, number in ((other, 3), (place.account, 4)):
        answer = browser.post(reverse("account_select"), {"account": account.pk, "subaccount": number})
        assert answer.status_code in (400, 404)
    assert browser.get("/").headers["Location"] == reverse("orders")
    shown = browser.get(reverse("history_search"))
    assert [one["url"] for one in shown.context["frame"]["pages"]] == [
        "/markets/",
        "/orders/",
        "/history/search/",
        "/monitor/",
        "/team/approvals/",
    ]
    assert reverse("history_taxlots") not in shown.content.decode()
    assert reverse("monitor_kill") not in browser.get("/monitor/").content.decode()


def test_beside_a_view_of_the_desk_it_takes_nothing_away(limited: Actor, place: Place) -> None:
    other = make_account(place.desk)

    assert set(accounts_visible(limited)) == {place.account, other}
    assert limited.reach(Permission.DESK_VIEW) == Reach(is_desk=True)
    assert limited.reach(Permission.ORDER_PLACE).subaccounts == {(place.account.pk, 2)}


# --- giving and taking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "where", "number"),
    [("lead", "ours", None), ("admin", "ours", 1), (MASKED_VIEWER, "ours", 1), ("trader", "theirs", None),
     ("trader", "closed", None), ("trader", "ours", -1), ("trader", "ours", 40_000)],
)  # fmt: skip
def test_what_is_not_enforced_everywhere_cannot_be_given(role: str, where: str, number: int | None) -> None:
    desk = make_desk()
    accounts = {"ours": make_account(desk), "theirs": make_account(make_desk()), "closed": make_account(desk)}
    ExchangeAccount.objects.filter(pk=accounts["closed"].pk).update(is_active=False)
    person = make_person(desk)

    with pytest.raises(DeskError):
        grants_change(desk, user_id=person.pk, add=[Grant(role, accounts[where].pk, number)])

    assert Membership.objects.get(user=person).grants == []


def test_there_is_an_end_to_them() -> None:
    desk = make_desk()
    account, person = make_account(desk), make_person(desk)
    grants_change(desk, user_id=person.pk, add=[Grant("viewer", account.pk, n) for n in range(MOST)])

    with pytest.raises(DeskError, match="At most"):
        grants_change(desk, user_id=person.pk, add=[Grant("viewer", account.pk, MOST)])


def test_an_admin_gives_and_takes_one_on_the_page_and_the_person_is_told() -> None:
    desk = make_desk()
    account, person, admin = make_account(desk), make_person(desk), make_person(desk, "admin")
    browser = client_of(admin)
    form = {"role": "trader", "account": account.pk, "subaccount": "2"}

    browser.post(reverse("person_grant_add", args=[person.pk]), form)
    given = Membership.objects.get(user=person)
    page = browser.get(reverse("person", args=[person.pk])).content.decode()
    people = browser.get(reverse("team")).content.decode()

    assert given.grants == [{"role": "trader", "account": account.pk, "subaccount": 2}]
    assert given.roles == []
    assert f"trader on {account.name} (paper), subaccount 2" in page
    assert f"trader on {account.name} (paper), subaccount 2" in people
    assert "subaccount 2" in Notice.objects.get(user=person, kind="grants.changed").text

    browser.post(reverse("person_grant_remove", args=[person.pk]), form)
    assert Membership.objects.get(user=person).grants == []
    kept = AuditEntry.objects.filter(action="accounts.grants.changed", target=f"user:{person.pk}")
    assert [len(one.data["after"]) for one in kept.order_by("pk")] == [1, 0]
    assert {one.actor_id for one in kept} == {admin.pk}


@pytest.mark.parametrize(
    "form", [{}, {"role": "trader"}, {"role": "trader", "account": "x"}, {"role": "owner", "account": "1"}]
)
def test_a_form_that_cannot_be_read_changes_nothing(form: dict[str, str]) -> None:
    desk = make_desk()
    make_account(desk)
    person, browser = make_person(desk), client_of(make_person(desk, "admin"))

    assert browser.post(reverse("person_grant_add", args=[person.pk]), form).status_code == 302

    assert Membership.objects.get(user=person).grants == []


def test_where_the_desk_wants_it_a_second_person_agrees_and_what_is_taken_waits_for_nobody() -> None:
    desk = make_desk()
    account, person = make_account(desk), make_person(desk)
    admin, lead = make_person(desk, "admin"), actor_of(make_person(desk, "admin"))
    policy_set(lead, ["roles"])
    browser, form = client_of(admin), {"role": "quoter", "account": account.pk, "subaccount": ""}

    browser.post(reverse("person_grant_add", args=[person.pk]), form)
    assert Membership.objects.get(user=person).grants == []
    row = ChangeRequest.objects.get()
    change_approve(lead, row.pk, hash_seen=seen_hash(row))

    assert Membership.objects.get(user=person).grants == [{"role": "quoter", "account": account.pk, "subaccount": None}]
    browser.post(reverse("person_grant_remove", args=[person.pk]), form)
    assert Membership.objects.get(user=person).grants == []


def test_a_role_that_trades_wants_its_second_factor_wherever_it_was_given() -> None:
    desk = make_desk()
    Desk.objects.filter(pk=desk.pk).update(second_factor="risky")
    account, person = make_account(desk), make_person(desk, "viewer")
    assert presence_load(person.pk, {}) is not None

    grants_change(desk, user_id=person.pk, add=[Grant("trader", account.pk, 1)])

    assert presence_load(person.pk, {}) is None
