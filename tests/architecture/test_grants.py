"""Roles on one account or one subaccount: whoever has nothing else finds nothing of the other accounts and subaccounts
of the same desk, on no URL, topic, command or operation, and changes nothing there.

Amounts that occur nowhere else are planted in another account of the desk and in another subaccount of the same
account; the person's own are planted, too, which shows that the lists are looked at.
"""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from apps.accounts.access import actor_for_session
from apps.accounts.grant_changes import grants_change
from apps.accounts.models import Desk, ExchangeAccount, Membership, User
from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import GRANTABLE, GRANTED, ROLE_PERMISSIONS, Actor, Grant, Permission, Role, Within
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName
from apps.data_api.scopes import SCOPES
from apps.data_api.services import token_create
from apps.fix.models import FixMessage, FixSession
from apps.markets.models import Watchlist
from apps.orders.models import Fill, Order
from apps.portfolio.models import Balance, Position
from apps.rfq.models import Rfq
from apps.web.checks import may_watch, numbers_of
from apps.web.outbox import Frame
from apps.web.sieve import Sieve
from tests.architecture.test_masking import open_market
from tests.architecture.test_permissions import OPERATIONS, URLS, Url, World, everything_stored, no_broker
from tests.support.people import actor_of as owner_of
from tests.support.people import client_of, key_pem, make_account, make_desk, make_key, make_person, vault_in

__all__ = ["no_broker"]
pytestmark = pytest.mark.django_db

TICKER = "KXGRANTS-26NOV22-T60"
SHOWN = ("orders", "fills", "positions", "balance", "rfqs")  # topics that the amounts are planted in
ROLES = ("trader", "quoter", "analyst")  # together all that can be given
# By place: (account, subaccount) -> contracts that occur nowhere else.
OURS, BESIDE, OTHER = "4321", "7654", "8765"
OTHER_NAME = "Zanzibar"  # of the other account


@dataclass(frozen=True)
class Place:
    desk: Desk
    account: ExchangeAccount
    other: ExchangeAccount

    def person(self, *places: tuple[ExchangeAccount, int | None], roles: tuple[str, ...] = ROLES) -> User:
        person = make_person(self.desk)
        add = [Grant(role, account.pk, number) for account, number in places for role in roles]
        grants_change(self.desk, user_id=person.pk, add=add)
        return person


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    """One of each thing that an URL may name, of this desk."""
    vault_in(tmp_path, settings)
    desk = make_desk()
    account = make_account(desk)
    keeper = owner_of(make_person(desk, "vault-admin"))
    session = FixSession.objects.create(account=account, kind="rt")
    message = FixMessage.objects.create(
        session=session, is_outgoing=True, seq=1, msg_type="A", at=utc_now(), fields=[[35, "A"]]
    )
    watchlist = Watchlist.objects.create(desk=desk, environment="paper", name="Shared")
    token = token_create(keeper, name="Theirs", scopes=["orders"], days=7).row
    return World(desk, make_key(keeper, account), watchlist, token, message)


@pytest.fixture
def place(world: World, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr("apps.portfolio.figures_marks._published", lambda environment, tickers: {})
    monkeypatch.setattr("apps.exchange.live.heartbeat_ms", lambda environment: None)
    account, other = world.key.account, make_account(world.desk, name=OTHER_NAME)
    # With a key and a session of FIX it is a part of the desk's health.
    keeper = owner_of(make_person(world.desk, "vault-admin"))
    make_key(keeper, other, secret=key_pem(1).encode())
    FixSession.objects.create(account=other, kind="rt", is_wanted=True)
    open_market(TICKER)
    for where, number, amount in ((account, 2, OURS), (account, 1, BESIDE), (other, 2, OTHER)):
        _plant(where, number, Decimal(amount), person_id=world.key.created_by_id or 0)
    return Place(world.desk, account, other)


def _plant(account: ExchangeAccount, number: int, amount: Decimal, *, person_id: int) -> None:
    now, name = utc_now(), f"{account.pk}-{number}"
    mine: dict[str, Any] = {"account": account, "subaccount": number}
    Balance.objects.create(**mine, cash=amount, portfolio_value=amount, seen_at=now)
    held = {"ticker": TICKER, "position": amount, "cost": amount, "seen_at": now, "source": "rest"}
    Position.objects.create(**mine, **held)
    order = Order.objects.create(
        **mine,
        order_id=f"order-{name}",
        ticker=TICKER,
        book_side="bid",
        price=Decimal("0.11"),
        initial_count=amount,
        remaining_count=amount,
        status=Order.Status.RESTING,
        created_at=now,
        seen_at=now,
        source="rest",
    )
    Fill.objects.create(
        **mine,
        order=order,
        trade_id=f"trade-{name}",
        order_id_text=order.order_id,
        ticker=TICKER,
        book_side="bid",
        yes_price=Decimal("0.11"),
        count=amount,
        is_taker=True,
        fee=Decimal("0.01"),
        traded_at=now,
        seen_at=now,
        source="ws",
    )
    Rfq.objects.create(
        **mine,
        desk_id=account.desk_id,
        placed_by_id=person_id,
        owner_id=person_id,
        idempotency_key=uuid.uuid4(),
        ticker=TICKER,
        contracts=amount,
        state="open",
        rfq_id=f"rfq-{name}",
        created_at=now,
    )


def _forms(amount: str) -> tuple[str, str]:
    return amount, f"{int(amount):,}"


def found_in(text: str, *amounts: str) -> set[str]:
    return {amount for amount in amounts if any(form in text for form in _forms(amount))}


def body_of(answer: Any) -> str:
    if not answer.streaming:
        raw = answer.content
    elif answer.is_async:
        raw = b"".join(async_to_sync(_collected)(answer.streaming_content))
    else:
        raw = b"".join(answer.streaming_content)
    return str(raw.decode("utf-8", "replace"))


async def _collected(chunks: Any) -> list[bytes]:
    return [chunk async for chunk in chunks]


def actor_of(person: User) -> Actor:
    browser = client_of(person)
    actor = actor_for_session(person.pk, browser.session.session_key or "")
    assert actor is not None
    return actor


def path_of(world: World, place: Place, url: Url) -> str:
    arguments = world.arguments_for(url)
    if "ticker" in arguments and url.name != "market_candles":  # which asks the exchange
        arguments["ticker"] = TICKER
    return reverse(url.name, kwargs=arguments)


# Forms that name what they want: with these, an open list would show all that there is.
ASKED: dict[str, Any] = {"format": "csv", "account": "all", "kind": "orders", "tab": "all"}


def looked_through(browser: Client, path: str) -> str:
    answers = [browser.get(path, {"account": "all"})]
    if answers[0].status_code != 403:  # who may not go there is refused before the method is asked for
        answers += [browser.get(path), browser.post(path, ASKED)]
    assert {answer.status_code for answer in answers} & set(range(500, 600)) == set(), path
    return "".join(map(body_of, answers))


def urls_of(part: int) -> list[Url]:
    return [url for url in URLS[part::2] if url.name not in ("account_logout", "sessions_end_others")]


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize(("number", "hidden"), [(None, (OTHER,)), (2, (OTHER, BESIDE))])
def test_no_url_shows_another_account_or_subaccount(
    number: int | None, hidden: tuple[str, ...], part: int, place: Place, world: World
) -> None:
    browser = client_of(place.person((place.account, number)), raise_request_exception=False)
    seen: set[str] = set()
    for url in urls_of(part):
        text = looked_through(browser, path_of(world, place, url))
        assert found_in(text, *hidden) == set(), url.route
        assert OTHER_NAME not in text, url.route
        seen |= found_in(text, OURS)
    assert seen == {OURS}


def test_whoever_sees_the_desk_finds_all_of_them(place: Place) -> None:
    browser = client_of(make_person(place.desk, "analyst"))

    text = body_of(browser.get(reverse("history_search"), {"account": "all", "kind": "orders"}))

    assert found_in(text, OURS, BESIDE, OTHER) == {OURS, BESIDE, OTHER}


@pytest.mark.parametrize("name", ["history_search_export", "order_export"])
def test_an_export_holds_what_may_be_exported_and_not_all_that_may_be_seen(name: str, place: Place) -> None:
    person = place.person((place.account, 2), roles=("analyst",))
    grants_change(
        place.desk, user_id=person.pk, add=[Grant("viewer", place.account.pk), Grant("viewer", place.other.pk)]
    )

    text = body_of(client_of(person).post(reverse(name), ASKED))

    assert found_in(text, OURS, BESIDE, OTHER) == {OURS}


@pytest.mark.parametrize("number", [None, 2])
def test_no_operation_of_the_data_api_tells_another_account(number: int | None, place: Place) -> None:
    secret = token_create(actor_of(place.person((place.account, number))), name="Mine", scopes=SCOPES, days=7).secret
    hidden = {OTHER} if number is None else {OTHER, BESIDE}
    seen: set[str] = set()
    for url in OPERATIONS:
        answer = Client().get(reverse(url.name), headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200, url.name
        assert found_in(body_of(answer), *hidden) == set(), url.name
        assert OTHER_NAME not in body_of(answer), url.name
        seen |= found_in(body_of(answer), OURS)
    assert seen == {OURS}


def test_a_topic_of_an_account_is_for_whoever_sees_all_of_it(place: Place) -> None:
    whole, part = actor_of(place.person((place.account, None))), actor_of(place.person((place.account, 2)))
    for kind, topic in ports.topics.items():
        if topic.scope == "environment":
            continue
        name, other = TopicName(kind, str(place.account.pk)), TopicName(kind, str(place.other.pk))
        assert may_watch(whole, name) is (topic.within is not Within.DESK), kind
        # Of some, one who sees part of it gets that part: tests/web/test_sieve.py.
        assert may_watch(part, name) is (topic.within is Within.SUBACCOUNT), kind
        assert not may_watch(whole, other), kind
        assert not may_watch(part, other), kind
        state = None if topic.within is Within.DESK or topic.state is None else topic.state(name)
        assert found_in(str(state), OTHER) == set(), kind
        if topic.within is Within.SUBACCOUNT and state is not None:
            sieve = Sieve()
            sieve.keep_to(str(name), numbers_of(part, name))
            theirs = sieve(Frame.of(str(name), 1, state, topic.mode))
            assert theirs is not None, kind
            assert found_in(theirs.data.decode(), BESIDE, OTHER) == set(), kind
            assert kind not in SHOWN or found_in(theirs.data.decode(), OURS) == {OURS}, kind


def test_a_grant_opens_no_command_that_is_of_the_whole_desk(place: Place) -> None:
    actor = actor_of(place.person((place.account, None)))
    before = everything_stored()
    for name, command in ports.commands.items():
        if command.within is Within.DESK and command.permission is not Permission.MARKET_VIEW:
            assert not actor.may(command.permission), name
            with pytest.raises(DeskError):
                pytest.fail(f"{name} did {command.handler(actor, {})}")
    assert everything_stored() == before


def test_what_a_grant_gives_is_less_than_the_role() -> None:
    for role in Role:
        grant = Grant(role, 1, 2)
        given = {one for one in Permission if grant.allows(one)}
        assert given == (ROLE_PERMISSIONS[role] & GRANTED if role in GRANTABLE else set())
    everything = Actor(1, 1, frozenset(), grants=frozenset(Grant(role, 1) for role in Role))
    assert [one for one in Permission if everything.may(one)] == []


def test_a_membership_that_was_edited_badly_gives_nothing(place: Place) -> None:
    person = place.person((place.account, 2))
    whole: dict[str, Any] = {"role": "trader", "account": place.account.pk, "subaccount": None}
    for bad in (
        "all",
        {"role": "trader"},
        [whole | {"role": "admin"}],
        [whole | {"account": str(place.account.pk)}],
        [whole | {"account": True}],
        [whole | {"subaccount": -1}],
        [whole | {"subaccount": "2"}],
        [{"role": "trader", "account": place.account.pk}],
        [None],
    ):
        Membership.objects.filter(user=person).update(grants=bad)
        assert client_of(person).get(reverse("orders")).status_code == 403, bad
