"""Where a desk hides its amounts, a viewer finds none of them: on no URL, topic, command, screen or data API.

Amounts that occur nowhere else are planted in every table that a page shows; a viewer of a desk that hides nothing
finds them, which is what makes the search below worth something.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.access import actor_for_session, roles_of
from apps.accounts.four_eyes import change_approve, seen_hash
from apps.accounts.four_eyes_kinds import masking_set, policy_set
from apps.accounts.models import ChangeRequest, Desk, Membership
from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import MASKED_VIEWER, Permission, Role, permissions_of
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName
from apps.data_api.models import DataToken
from apps.data_api.services import caller_of, token_create
from apps.markets.models import Event, Market, Series
from apps.monitoring.services.kiosk import kiosk_make, screen_of
from apps.monitoring.wall import panels_html, shared, sight_of
from apps.orders.models import Fill, Order, RiskLimit
from apps.portfolio.models import Balance, Position
from apps.web.checks import may_watch
from tests.architecture.test_permissions import OPERATIONS, URLS, Url, World, kept_world, no_broker, world
from tests.support.people import actor_of, client_of, make_person

__all__ = ["kept_world", "no_broker", "world"]
pytestmark = pytest.mark.django_db

ALLOWED = permissions_of([MASKED_VIEWER])
TICKER = "KXMASKED-26NOV22-T60"
# As the desk writes them: with and without commas.
PLANTED = ("98,765", "98765", "4,321", "4321", "7,654", "7654", "6,543", "6543", "55,443", "55443", "33,221", "33221")


@pytest.fixture(autouse=True)
def no_live_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("apps.portfolio.figures_marks._published", lambda environment, tickers: {})
    monkeypatch.setattr("apps.exchange.live.heartbeat_ms", lambda environment: None)
    shared.forget()
    yield
    shared.forget()


@pytest.fixture
def desk(world: World) -> Desk:
    """The desk of the world, with amounts in whatever a page shows, and a viewer that sees none of them."""
    account, now = world.key.account, utc_now()
    open_market(TICKER)
    Balance.objects.create(account=account, cash=Decimal("98765.43"), portfolio_value=Decimal("33221.5"), seen_at=now)
    Position.objects.create(
        account=account, ticker=TICKER, position=Decimal(4321), cost=Decimal(33221), seen_at=now, source="rest"
    )
    order = Order.objects.create(
        account=account,
        order_id="masked-1",
        ticker=TICKER,
        book_side="bid",
        price=Decimal("0.11"),
        initial_count=Decimal(7654),
        remaining_count=Decimal(7654),
        status=Order.Status.RESTING,
        created_at=now,
        seen_at=now,
        source="rest",
    )
    Fill.objects.create(
        account=account,
        order=order,
        trade_id="masked-2",
        order_id_text=order.order_id,
        ticker=TICKER,
        book_side="bid",
        yes_price=Decimal("0.11"),
        count=Decimal(6543),
        is_taker=True,
        fee=Decimal("0.01"),
        traded_at=now,
        seen_at=now,
        source="ws",
    )
    RiskLimit.objects.create(
        desk=world.desk, max_count=Decimal(55443), set_by_id=world.key.created_by_id or 0, set_at=now
    )
    Desk.objects.filter(pk=world.desk.pk).update(hides_amounts=True)
    return world.desk


def open_market(ticker: str) -> None:
    """A market of paper that takes orders, with its event and series."""
    event_ticker, series_ticker = ticker.rpartition("-")[0], ticker.partition("-")[0]
    Series.objects.create(environment="paper", ticker=series_ticker, title="Weather")
    Market.objects.create(
        environment="paper",
        ticker=ticker,
        event=Event.objects.create(environment="paper", ticker=event_ticker, series_ticker=series_ticker, title="Warm"),
        series_ticker=series_ticker,
        title="Will it be warm?",
        status="active",
        close_time=utc_now() + timedelta(days=1),
        price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    )


def planted_in(text: str) -> set[str]:
    return {one for one in PLANTED if one in text}


def body_of(answer: Any) -> str:
    raw = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(raw.decode("utf-8", "replace"))


def path_of(world: World, url: Url) -> str:
    arguments = world.arguments_for(url)
    if "ticker" in arguments and url.name != "market_candles":  # which asks the exchange
        arguments["ticker"] = TICKER
    return reverse(url.name, kwargs=arguments)


def test_who_sees_the_desk_finds_what_is_planted(desk: Desk, world: World) -> None:
    browser = client_of(make_person(desk, "viewer", "analyst"))
    pages = ("/orders/limits/", "/monitor/", f"/portfolio/markets/{TICKER}/")

    found = set().union(*(planted_in(browser.get(page).content.decode()) for page in pages))
    orders = ports.topics["orders"].state
    assert orders is not None
    found |= planted_in(str(orders(TopicName("orders", str(world.key.account_id)))))

    assert {"98,765", "4,321", "6,543", "7654", "55,443"} <= found


@pytest.mark.parametrize("part", range(3))
def test_no_url_shows_an_own_amount_to_a_masked_viewer(part: int, desk: Desk, world: World) -> None:
    person = make_person(desk, "viewer")
    browser: Client = client_of(person, raise_request_exception=False)
    for url in sorted(URLS[part::3], key=lambda one: one.permission in ALLOWED):
        path = path_of(world, url)
        is_open = url.permission in ALLOWED or url.is_closed
        # Who may not look is refused before the method is asked for.
        answers = [browser.get(path)]
        if is_open:
            browser = client_of(person, raise_request_exception=False)  # anew: some of these sign out
            answers.append(browser.post(path))
            browser = client_of(person, raise_request_exception=False)
        for answer in answers:
            if not is_open:
                assert answer.status_code == 403, f"{path} is open to who sees no amounts"
            assert answer.status_code < 500, path
            assert planted_in(body_of(answer)) == set(), path


def test_no_topic_and_no_command_tells_one(desk: Desk, world: World) -> None:
    viewer = actor_of_session(desk)
    account = world.key.account
    for kind, topic in ports.topics.items():
        scope = str(account.pk) if topic.scope == "account" else "paper"
        name = TopicName(kind, scope)
        if topic.scope == "account" or topic.permission not in ALLOWED:
            assert may_watch(viewer, name) is False, kind
        elif topic.state is not None:
            for one in (name, TopicName(kind, f"paper:{TICKER}")):
                try:
                    told = topic.state(one)
                except (DeskError, ValueError, LookupError):
                    continue
                assert planted_in(str(told)) == set(), kind
    assert [name for name, one in ports.commands.items() if viewer.may(one.permission)] == []


def actor_of_session(desk: Desk) -> Any:
    """Who a masked viewer's socket speaks for."""
    person = make_person(desk, "viewer")
    browser = client_of(person)
    actor = actor_for_session(person.pk, browser.session.session_key or "")
    assert actor is not None
    assert actor.roles == {MASKED_VIEWER}
    return actor


def test_no_token_reads_one(desk: Desk, world: World) -> None:
    Desk.objects.update(hides_amounts=False)
    person = make_person(desk, "viewer")
    made = token_create(actor_of(person), name="Mine", scopes=["orders"], days=7)
    Desk.objects.update(hides_amounts=True)

    for operation in OPERATIONS:
        if operation.permission in ALLOWED:
            continue
        with pytest.raises(NotAllowed):
            caller_of(made.secret, permission=operation.permission or Permission.SYSTEM, scope="")
    assert DataToken.objects.filter(user=person).exists()


def test_the_wall_and_a_screen_say_how_the_desk_is_and_no_more(desk: Desk, world: World) -> None:
    lead = actor_of(make_person(desk, "lead"))
    viewer, account = actor_of_session(desk), world.key.account
    _, secret = kiosk_make(lead, account_id=account.pk, label="Kitchen", days=1)
    screen = screen_of(secret)
    assert screen is not None

    for actor in (viewer, screen.actor):
        panels = panels_html(sight_of(actor, account), account)
        assert planted_in(panels) == set()
        assert "Health" in panels
    # One reading serves many, but never those who may see less.
    assert planted_in(client_of(make_person(desk, "trader")).get("/monitor/panels/").content.decode())
    assert not planted_in(client_of(make_person(desk, "viewer")).get("/monitor/panels/").content.decode())


def test_whoever_has_another_role_sees_what_it_shows(desk: Desk) -> None:
    for role in set(Role) - {Role.VIEWER}:
        for roles in ((role,), (role, Role.VIEWER)):
            member = Membership.objects.get(user=make_person(desk, *roles))
            assert roles_of(member) == set(roles)


def test_the_role_cannot_be_given(desk: Desk) -> None:
    assert MASKED_VIEWER not in set(Role)
    browser = client_of(make_person(desk, "admin"))
    person = make_person(desk, "viewer")

    browser.post(reverse("person_roles", args=[person.pk]), {"roles": [MASKED_VIEWER, "trader"]})

    assert MASKED_VIEWER not in Membership.objects.get(user=person).roles


def test_a_lead_hides_them_at_once_and_four_eyes_show_them_again(desk: Desk) -> None:
    Desk.objects.update(hides_amounts=False)
    lead = make_person(desk, "lead")
    other = actor_of(make_person(desk, "admin"))
    policy_set(other, ["masking"])
    browser, viewer = client_of(lead), client_of(make_person(desk, "viewer"))
    assert viewer.get("/portfolio/").status_code == 200

    browser.post(reverse("masking_save"), {"hides_amounts": "yes"})
    assert viewer.get("/portfolio/").status_code == 403
    assert viewer.get("/", follow=True).redirect_chain[-1][0].endswith("/markets/")
    browser.post(reverse("masking_save"), {})
    assert Desk.objects.get(pk=desk.pk).hides_amounts
    row = ChangeRequest.objects.get()
    change_approve(other, row.pk, hash_seen=seen_hash(row))

    assert viewer.get("/portfolio/").status_code == 200
    kept = AuditEntry.objects.filter(action="accounts.masking.changed").order_by("pk")
    assert [one.data["hides_amounts"] for one in kept] == [True, False]
    with pytest.raises(NotAllowed):
        masking_set(actor_of(make_person(desk, "trader")), hides=True)
