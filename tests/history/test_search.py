"""Search: every row once however it is paged, each filter says what it says, and nothing of another desk."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from apps.accounts.kept import preference_keep
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor
from apps.history.exports.services import names_for
from apps.history.models import ChosenMarket, PublicTrade
from apps.history.search import walk
from apps.history.search.choice import choice_from
from apps.history.search.columns import plain_row, writers
from apps.history.search.sources import SOURCES
from apps.history.search.walk import SearchPage, search_count, search_page, search_rows
from apps.rfq.models import Rfq
from apps.rfq.selectors.blotters import cursor_from
from tests.history.records import (
    NOON,
    TICKER,
    Office,
    make_fill,
    make_intent,
    make_market,
    make_office,
    make_order,
    make_settlement,
)
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return make_office()


def choice(kind: str = "orders", **over: Any):
    return choice_from({"kind": kind, **over}, zone="UTC")


def found(office: Office, kind: str = "orders", **over: Any) -> list[int]:
    """Row ids of what is found, by a page and by a stream, which must agree."""
    chosen = choice(kind, **over)
    page = [row[1] for row in search_page(office.actor, chosen).rows]
    assert page == [row[1] for row in search_rows(office.actor, chosen)]
    return page


def paged(office: Office, chosen: Any, **over: Any) -> tuple[list[int], list[SearchPage]]:
    """Page through everything by the texts of cursors, as a browser does; a row arrives between two pages."""
    seen: list[int] = []
    pages: list[SearchPage] = []
    after = ""
    while True:
        page = search_page(office.actor, chosen, after=cursor_from(after), **over)
        pages.append(page)
        seen += [row[1] for row in page.rows]
        make_order(office.account, created_at=NOON + timedelta(days=400 + len(pages)))
        if page.next is None:
            return seen, pages
        after = str(page.next)


def test_pages_meet_without_a_gap_or_a_repeat_while_rows_arrive(office: Office) -> None:
    other = make_account(office.desk)
    # Three of each instant over two accounts: only the row id tells them apart.
    made = [make_order((office.account, other)[index % 2], minutes=index // 3).pk for index in range(23)]

    seen, _ = paged(office, choice(account=""), limit=4)

    assert seen == made[::-1]


def test_a_filter_without_an_index_is_looked_for_in_windows_and_goes_on_where_it_stopped(office: Office) -> None:
    made = [make_order(office.account, minutes=index, subaccount=index % 10).pk for index in range(60)]

    seen, pages = paged(office, choice(subaccount="7"), limit=4, seconds=0, window=7)

    assert seen == [pk for index, pk in reversed(list(enumerate(made))) if index % 10 == 7]
    assert len(pages) > 5
    assert any(page.looked_to is not None and not page.rows for page in pages)


def test_windows_over_several_accounts_leave_nothing_out(office: Office) -> None:
    accounts = [office.account, make_account(office.desk), make_account(office.desk)]
    # One account is dense and another nearly empty: their windows end at different times.
    made = [
        make_order(accounts[0 if index % 5 else 1 + index % 2], minutes=index, source="ws").pk for index in range(70)
    ]

    seen, _ = paged(office, choice(source="ws", account=""), limit=6, seconds=0, window=5)

    assert seen == made[::-1]


def counted(office: Office, chosen: Any, **over: Any) -> list[int]:
    """Each part of a count, asked for as a browser does."""
    parts: list[int] = []
    after = ""
    while True:
        part = search_count(office.actor, chosen, after=cursor_from(after), **over)
        parts.append(part.rows)
        if part.next is None:
            return parts
        after = str(part.next)


def test_parts_of_a_count_add_up_to_every_row_once(office: Office) -> None:
    accounts = [office.account, make_account(office.desk), make_account(office.desk)]
    # Three of each instant, and accounts whose windows end at different times.
    for index in range(50):
        make_order(accounts[0 if index % 5 else 1 + index % 2], minutes=index // 3, subaccount=index % 4)
    make_order(make_office().account)

    parts = counted(office, choice(account=""), seconds=0, window=7)
    assert sum(parts) == 50
    assert len(parts) > 5
    assert sum(counted(office, choice(account="", subaccount="3"), seconds=0, window=7)) == 12
    assert counted(office, choice(account="", subaccount="3")) == [12]
    assert counted(office, choice(q="KXNONE")) == [0]


def test_the_page_counts_by_parts_and_shows_the_columns_that_a_person_chose(office: Office) -> None:
    make_order(office.account, source="ws", order_group_id="group-of-mine")
    browser = client_of(office.person)
    choice_of_columns = [{"colId": "orders.source", "hide": True}, {"colId": "orders.order_group_id", "hide": False}]
    hidden = '<th scope="col" data-column="orders.{}"{} hidden'

    before = browser.get("/history/search/").content.decode()
    assert hidden.format("order_group_id", "") in before
    assert hidden.format("source", " data-shown-first") not in before
    preference_keep(office.actor, "history.columns", json.dumps(choice_of_columns))
    after = browser.get("/history/search/").content.decode()

    assert hidden.format("order_group_id", "") not in after
    assert "group-of-mine" in after
    assert hidden.format("source", " data-shown-first") in after
    assert browser.get("/history/search/count/").json() == {"rows": 1, "next": ""}
    assert browser.get("/history/search/count/", {"state": "canceled"}).json() == {"rows": 0, "next": ""}
    assert browser.get("/history/search/count/", {"state": "gone"}).status_code == 422


def test_an_order_whose_time_the_exchange_did_not_say_has_its_place_by_when_it_was_seen(office: Office) -> None:
    late = make_order(office.account, minutes=9)
    unsaid = make_order(office.account, created_at=None, seen_at=NOON + timedelta(minutes=5))
    early = make_order(office.account, minutes=1)

    assert found(office) == [late.pk, unsaid.pk, early.pk]


def test_orders_are_narrowed_by_each_filter(office: Office) -> None:
    plain = make_order(office.account, minutes=1)
    intent = make_intent(office)
    special = make_order(
        office.account,
        minutes=2,
        intent=intent,
        subaccount=3,
        ticker="KXOTHER-26MAR-T2",
        book_side="ask",
        price=Decimal("0.055"),
        initial_count=Decimal("2.50"),
        status="executed",
        source="ws",
    )

    for narrowed in (
        {"subaccount": "3"},
        {"q": "KXOTHER-26MAR-T2"},
        {"q": "kxother"},
        {"side": "no"},
        {"state": "executed"},
        {"source": "ws"},
        {"person": str(office.person.pk)},
        {"size_to": "2.5"},
        {"price_to": "5.5", "price_from": "5.5"},
        {"id": special.order_id},
        {"id": str(intent.client_order_id)},
    ):
        assert found(office, **narrowed) == [special.pk], narrowed
    for narrowed in ({"person": "external"}, {"size_from": "2.51"}, {"price_from": "5.51"}, {"side": "yes"}):
        assert found(office, **narrowed) == [plain.pk], narrowed
    for nothing in ({"q": "KXNONE"}, {"id": "none"}, {"id": special.order_id, "state": "resting"}):
        assert found(office, **nothing) == [], nothing


def test_days_are_those_of_the_persons_zone(office: Office) -> None:
    order = make_order(office.account, created_at=NOON.replace(hour=23))

    def on(day: str, zone: str) -> list[int]:
        chosen = choice_from({"from": day, "to": day}, zone=zone)
        return [row[1] for row in search_page(office.actor, chosen).rows]

    assert on("2026-03-01", "UTC") == [order.pk]
    assert on("2026-03-02", "UTC") == []
    assert on("2026-03-02", "Europe/Berlin") == [order.pk]


def test_words_of_a_title_find_its_markets(office: Office) -> None:
    make_market(title="Will the search be fast?")
    here = make_order(office.account)
    make_order(office.account, ticker="KXOTHER-26MAR-T2")

    assert found(office, q="search fast") == [here.pk]
    assert found(office, q="fast") == [here.pk]
    assert found(office, q="nothing like it") == []


def test_fills_settlements_requests_and_refused_orders_are_found(office: Office) -> None:
    fill = make_fill(office.account)
    settlement = make_settlement(office.account)
    rfq = Rfq.objects.create(
        desk=office.desk, account=office.account, ticker=TICKER, contracts=Decimal(5), created_at=NOON, state="open"
    )
    refused = make_intent(office, state="refused", error_text="no money")

    assert found(office, "fills", q=TICKER, id=fill.trade_id) == [fill.pk]
    assert found(office, "settlements", state="yes") == [settlement.pk]
    assert found(office, "rfqs", state="open", person="external") == [rfq.pk]
    assert found(office, "unplaced", state="refused") == [refused.pk]
    assert found(office, "quotes") == []


def test_public_trades_are_those_of_markets_that_the_desk_chose(office: Office) -> None:
    terms = {"environment": "paper", "yes_price": Decimal("0.4"), "count": Decimal(1), "taker_side": "no"}
    ours = PublicTrade.objects.create(ticker=TICKER, trade_id="a", traded_at=NOON, **terms)
    PublicTrade.objects.create(ticker="KXTHEIRS-1", trade_id="b", traded_at=NOON, **terms)
    ChosenMarket.objects.create(account=office.account, ticker=TICKER, chosen_by=office.person, chosen_at=NOON)

    assert found(office, "trades") == [ours.pk]
    assert found(office, "trades", side="no", q="KXSEARCH") == [ours.pk]
    assert found(office, "trades", q="KXTHEIRS-1") == []


def test_a_fill_costs_its_own_outcomes_price(office: Office) -> None:
    make_fill(office.account, minutes=1, book_side="bid", yes_price=Decimal("0.0550"), count=Decimal("2.50"))
    make_fill(office.account, minutes=2, book_side="ask", yes_price=Decimal("0.0550"), count=Decimal("2.50"))
    source = SOURCES["fills"]
    write = writers(source.columns, names_for(office.actor))
    rows = [plain_row(row[2:], source.columns, write) for row in search_rows(office.actor, choice("fills"))]

    assert [(row["outcome"], row["cost_dollars"], row["yes_price_dollars"], row["contracts"]) for row in rows] == [
        ("no", "2.362500", "0.0550", "2.50"),
        ("yes", "0.137500", "0.0550", "2.50"),
    ]


def test_another_desks_rows_and_accounts_do_not_exist(office: Office) -> None:
    stranger = make_office()
    make_order(stranger.account)
    make_fill(stranger.account)

    for kind in SOURCES:
        assert found(office, kind) == []
    with pytest.raises(NotFound):
        search_page(office.actor, choice(account=str(stranger.account.pk)))
    with pytest.raises(NotFound):
        search_rows(office.actor, choice(account=str(stranger.account.pk)))


@pytest.mark.parametrize("kind", SOURCES)
def test_who_may_not_see_the_desk_finds_nothing(kind: str) -> None:
    desk = make_desk()
    nobody = Actor(user_id=make_person(desk).pk, desk_id=desk.pk, roles=frozenset())

    with pytest.raises(NotAllowed):
        search_page(nobody, choice(kind))


@pytest.mark.parametrize(
    "typed",
    [
        {"kind": "secrets"},
        {"account": "x"},
        {"account": "-1"},
        {"subaccount": "99999"},
        {"side": "up"},
        {"state": "gone"},
        {"person": "me"},
        {"source": "ws; drop"},
        {"from": "yesterday"},
        {"from": "20260301"},
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"size_from": "1e3"},
        {"size_from": "0.001"},
        {"price_to": "NaN"},
        {"price_to": "5.555"},
        {"q": "a\x00b"},
    ],
)
def test_what_is_no_choice_is_refused_and_named(typed: dict[str, str]) -> None:
    with pytest.raises(DeskError) as refused:
        choice_from(typed, zone="UTC")

    assert set(refused.value.fields) <= set(typed)
    assert refused.value.fields


def test_another_kind_drops_what_it_cannot_say() -> None:
    chosen = choice(state="executed", side="yes", q=TICKER, size_from="5")

    assert chosen.for_kind("settlements").values() == {"kind": "settlements", "q": TICKER}
    assert chosen.for_kind("fills").values() == {"kind": "fills", "q": TICKER, "side": "yes", "size_from": "5"}


def plan_of(chosen: Any, office: Office) -> str:
    plan = walk._plan(office.actor, chosen)
    after = cursor_from("1772366400000.0-5")
    return "\n".join(walk._rows(plan, branch, after)[:101].explain() for branch in plan.branches)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by what a table holds; see the benchmark")
@pytest.mark.parametrize(
    ("kind", "typed", "index"),
    [
        ("orders", {}, "order_by_time"),
        ("orders", {"state": "executed"}, "order_by_time"),
        ("orders", {"q": TICKER}, "order_by_market"),
        ("fills", {"q": TICKER}, "fill_by_market"),
        ("fills", {}, "fill_by_time"),
        ("rfqs", {}, "rfq_by_time"),
        ("quotes", {}, "quote_by_time"),
    ],
)
def test_a_page_walks_an_index_and_sorts_nothing(kind: str, typed: dict[str, str], index: str, office: Office) -> None:
    make_order(office.account)
    make_fill(office.account)

    plan = plan_of(choice(kind, **typed), office)

    assert f"USING INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan
