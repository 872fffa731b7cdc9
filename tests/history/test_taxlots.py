"""The tax-lot report: years, subaccounts, settlements as the exchange tells them, and files that add up to the page."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed, NotFound
from apps.core.money import money_from_units, money_units
from apps.history import taxlots
from apps.history.exports.text import csv_chunks
from apps.history.taxlots import MarketYear, lots_export, year_lots
from tests.history.records import NOON, TICKER, Office, make_fill, make_market, make_office, make_settlement
from tests.support.people import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return make_office()


def year(office: Office, number: int | None = 2026, zone: str = "UTC") -> list[MarketYear]:
    found = year_lots(office.actor, account_id=office.account.pk, year=number, zone=zone, now=NOON)
    assert found.markets is not None
    return found.markets


def lots(office: Office, number: int = 2026) -> list[dict[str, str]]:
    table = lots_export(office.actor, account_id=office.account.pk, year=number, zone="UTC", form="csv")
    return list(csv.DictReader(io.StringIO(b"".join(csv_chunks(table)).decode())))


def test_a_lot_that_is_sold_and_one_that_is_settled(office: Office) -> None:
    first = make_fill(office.account, yes_price=Decimal("0.40"), fee=Decimal("0.17"), minutes=1)
    sold = make_fill(
        office.account, book_side="ask", yes_price=Decimal("0.60"), count=Decimal(4), fee=Decimal("0.07"), minutes=2
    )
    make_settlement(office.account, yes_count=Decimal(6), revenue=Decimal(6), fees=Decimal("0.24"))

    rows = lots(office)

    assert [(row["closed_how"], row["contracts"], row["cost_dollars"], row["proceeds_dollars"]) for row in rows] == [
        ("trade", "4.00", "1.600000", "2.400000"),
        ("settlement", "6.00", "2.400000", "6.000000"),
    ]
    assert [(row["opened_by"], row["closed_by"]) for row in rows] == [
        (first.trade_id, sold.trade_id),
        (first.trade_id, "settlement 2026-03-11"),
    ]
    [market] = year(office)
    assert money_from_units(market.gain) == Decimal("4.4") - Decimal("0.24")
    assert sum(money_units(Decimal(row["gain_dollars"])) for row in rows) == market.gain
    assert market.doubts == set()


def test_a_lot_counts_in_the_year_in_which_it_closed_in_the_persons_zone(office: Office) -> None:
    make_fill(office.account, traded_at=datetime(2025, 6, 1, tzinfo=UTC))
    make_fill(office.account, book_side="ask", traded_at=datetime(2026, 1, 1, 2, tzinfo=UTC))

    assert year(office, 2025) == []
    assert [one.lots for one in year(office, 2026)] == [1]
    assert [one.lots for one in year(office, 2025, "America/New_York")] == [1]
    assert year(office, 2026, "America/New_York") == []
    found = year_lots(office.actor, account_id=office.account.pk, year=None, zone="UTC", now=NOON)
    assert (found.year, found.years) == (2026, [2026, 2025])


def test_subaccounts_do_not_close_each_others_lots(office: Office) -> None:
    make_fill(office.account, subaccount=0)
    make_fill(office.account, subaccount=1, book_side="ask")

    assert year(office) == []
    make_settlement(office.account, subaccount=0)
    make_settlement(office.account, subaccount=1, yes_count=0, no_count=Decimal(10), revenue=Decimal(0))

    assert [(one.subaccount, one.lots, one.doubts) for one in year(office)] == [(0, 1, set()), (1, 1, set())]


def test_pairs_that_the_exchange_counts_on_both_sides_were_closed_by_us_before(office: Office) -> None:
    make_fill(office.account, count=Decimal(10), yes_price=Decimal("0.40"), fee=Decimal(0), minutes=1)
    make_fill(office.account, book_side="ask", count=Decimal(4), yes_price=Decimal("0.70"), fee=Decimal(0), minutes=2)
    # Ten YES and four NO: the four pairs pay a dollar each, the other six the value.
    make_settlement(office.account, no_count=Decimal(4), revenue=Decimal(10), fees=Decimal(0))

    [market] = year(office)

    assert (money_from_units(market.gain), market.doubts) == (Decimal("1.2") + Decimal("3.6"), set())


def test_a_scalar_value_is_the_catalogues_and_its_cent_of_fee_is_split(office: Office) -> None:
    make_market(settlement_value=Decimal("0.5970"))
    make_fill(office.account, count=Decimal("10.60"), yes_price=Decimal("0.40"), fee=Decimal(0))
    terms = {"result": "scalar", "value": Decimal("0.59"), "yes_count": Decimal("10.60")}
    make_settlement(office.account, revenue=Decimal("6.32"), fees=Decimal("0.0082"), **terms)

    [row] = lots(office)

    assert (row["proceeds_dollars"], row["close_fee_dollars"], row["doubt"]) == ("6.328200", "0.008200", "")
    assert Decimal(row["gain_dollars"]) == Decimal("6.32") - Decimal("4.24")


def test_a_void_market_gives_back_the_cost(office: Office) -> None:
    make_fill(office.account, yes_price=Decimal("0.40"), fee=Decimal("0.07"))
    make_settlement(office.account, result="void", value=None, revenue=Decimal(4), fees=Decimal("0.07"))

    [row] = lots(office)

    assert (row["closed_how"], row["gain_dollars"]) == ("void", "-0.070000")


def test_only_the_settlement_that_counts_closes_lots(office: Office) -> None:
    make_fill(office.account, yes_price=Decimal("0.40"), fee=Decimal(0))
    make_settlement(office.account, result="no", revenue=Decimal(0), value=Decimal(0), is_current=False)
    make_settlement(office.account, revision=2)

    [row] = lots(office)

    assert row["gain_dollars"] == "6.000000"


def test_a_settlement_of_more_than_we_know_is_a_doubt_and_not_hidden(office: Office) -> None:
    make_fill(office.account, fee=Decimal(0))
    make_settlement(office.account, yes_count=Decimal(25), revenue=Decimal(25))

    assert [one.doubts for one in year(office)] == [{"count"}]
    page = client_of(office.person).get("/history/tax-lots/").content.decode()
    assert "another number of contracts" in page


def test_the_page_says_what_it_is_not_and_adds_up(office: Office) -> None:
    make_fill(office.account, yes_price=Decimal("0.40"), fee=Decimal("0.17"))
    make_settlement(office.account, fees=Decimal("0.17"))

    page = client_of(office.person).get("/history/tax-lots/?year=2026").content.decode()

    assert "not tax advice" in page
    assert "+$5.83" in page
    assert "not read from its beginning yet" in page


def test_a_year_without_anything_is_empty(office: Office) -> None:
    page = client_of(office.person).get("/history/tax-lots/?year=2019").content.decode()

    assert "Nothing closed in this year" in page


@pytest.mark.parametrize("text", ["x", "99999", "-1", "²", "2026.0"])
def test_a_year_that_is_none_is_the_newest(text: str, office: Office) -> None:
    make_fill(office.account)

    answer = client_of(office.person).get("/history/tax-lots/", {"year": text})

    assert "Tax lots 2026" in " ".join(re.sub(r"<[^>]+>", "", answer.content.decode()).split())


def test_too_many_fills_for_a_page_are_a_file(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxlots, "FILLS_ON_A_PAGE", 1)
    make_fill(office.account, minutes=1)
    make_fill(office.account, minutes=2, book_side="ask")
    browser = client_of(office.person)

    assert "Too many fills for a page" in browser.get("/history/tax-lots/").content.decode()
    answer = browser.post("/history/tax-lots/export/", {"year": "2026", "format": "csv"})
    assert len(b"".join(answer.streaming_content).splitlines()) == 2
    entry = AuditEntry.objects.get(action="history.taxlots.exported")
    assert entry.data == {"year": 2026, "zone": "UTC", "format": "csv"}


@pytest.mark.parametrize("terms", [{"format": "csv"}, {"year": "2026"}, {"year": "x", "format": "csv"}])
def test_what_is_no_export_is_said(terms: dict[str, str], office: Office) -> None:
    answer = client_of(office.person).post("/history/tax-lots/export/", terms)

    assert (answer.status_code, answer["Location"]) == (302, "/history/tax-lots/")


def test_viewers_and_strangers_get_no_file(office: Office) -> None:
    viewer, stranger = make_office("viewer"), make_office()
    terms: dict[str, Any] = {"year": 2026, "zone": "UTC", "form": "csv"}

    with pytest.raises(NotAllowed):
        lots_export(viewer.actor, account_id=viewer.account.pk, **terms)
    with pytest.raises(NotFound):
        lots_export(stranger.actor, account_id=office.account.pk, **terms)
    assert "/history/tax-lots/export/" not in client_of(viewer.person).get("/history/tax-lots/").content.decode()


def test_fills_of_the_instant_of_a_settlement_come_before_it(office: Office) -> None:
    at = NOON + timedelta(days=10)
    make_fill(office.account, traded_at=at, yes_price=Decimal("0.40"), fee=Decimal(0))
    make_settlement(office.account, fees=Decimal(0))

    assert [(one.ticker, one.lots, one.doubts) for one in year(office)] == [(TICKER, 1, set())]
