"""Files of a search: every row, every digit, nothing that a spreadsheet would run, and made while it is sent."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.history.exports.parquet import parquet_chunks
from apps.history.exports.services import FORMATS, search_export
from apps.history.exports.tables import Table
from apps.history.exports.text import csv_chunks
from apps.history.exports.workbook import workbook_chunks
from apps.history.search.choice import choice_from
from apps.history.search.columns import Column, Kind, Names
from tests.history.records import TICKER, Office, make_fill, make_intent, make_office, make_order
from tests.support.people import client_of, make_account, make_person

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
COLUMNS = (
    Column("time_utc", "Time", Kind.TIME, ""),
    Column("account", "Account", Kind.ACCOUNT, ""),
    Column("note", "Note", Kind.TEXT, ""),
    Column("price_dollars", "Price", Kind.PRICE, ""),
    Column("contracts", "Contracts", Kind.COUNT, ""),
    Column("gain_dollars", "Gain", Kind.MONEY, ""),
    Column("subaccount", "Sub", Kind.INTEGER, ""),
    Column("is_taker", "Taker", Kind.FLAG, ""),
)
ROWS = [
    (AT, 1, "plain", 5550, 250, -12_345_678, 0, True),
    (AT, 2, "=1+1", 10_000, 1, 9_007_199_254_740_993, 3, False),
    (AT, 9, None, None, None, None, None, None),
]
NAMES = Names({1: "@Main", 2: "Second"}, {})


def table(rows: Any = ROWS) -> Table:
    return Table("records", COLUMNS, rows, NAMES)


def csv_of(chunks: Iterator[bytes]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(chunks).decode(), newline="")))


def test_csv_has_stable_heads_all_digits_and_no_formula() -> None:
    heads, *rows = csv_of(csv_chunks(table()))

    assert heads == [column.id for column in COLUMNS]
    assert rows == [
        ["2026-03-01T12:00:00.123456Z", "'@Main", "plain", "0.5550", "2.50", "-12.345678", "0", "yes"],
        ["2026-03-01T12:00:00.123456Z", "Second", "'=1+1", "1.0000", "0.01", "9007199254.740993", "3", "no"],
        ["2026-03-01T12:00:00.123456Z", "", "", "", "", "", "", ""],
    ]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_no_text_becomes_a_formula_or_is_lost(text: str) -> None:
    [_, [*_, cell]] = csv_of(csv_chunks(Table("t", (Column("n", "N", Kind.TEXT, ""),), [(text,)], NAMES))) or [[], [""]]

    assert cell.removeprefix("'").replace("\r\n", "\n") == text.removeprefix("'").replace("\r\n", "\n")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_an_empty_search_is_a_file_with_heads() -> None:
    assert csv_of(csv_chunks(table([]))) == [[column.id for column in COLUMNS]]
    assert parquet.read_table(io.BytesIO(b"".join(parquet_chunks(table([]))))).num_rows == 0
    assert sheet_of(b"".join(workbook_chunks(table([])))) == [[column.id for column in COLUMNS]]


def test_parquet_keeps_the_type_of_each_column() -> None:
    read = parquet.read_table(io.BytesIO(b"".join(parquet_chunks(table()))))

    types = dict(zip(read.schema.names, map(str, read.schema.types), strict=True))
    assert types["price_dollars"] == "decimal128(19, 4)"
    assert types["gain_dollars"] == "decimal128(19, 6)"
    assert types["time_utc"] == "timestamp[us, tz=UTC]"
    assert types["is_taker"] == "bool"
    assert read.column("gain_dollars").to_pylist() == [Decimal("-12.345678"), Decimal("9007199254.740993"), None]
    assert read.column("contracts").to_pylist() == [Decimal("2.50"), Decimal("0.01"), None]
    assert read.column("account").to_pylist() == ["@Main", "Second", ""]
    assert read.column("time_utc").to_pylist() == [AT] * 3


def test_parquet_comes_in_groups_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.history.exports.parquet.ROWS_PER_GROUP", 2)
    taken = 0

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal taken
        for row in ROWS * 3:
            taken += 1
            yield row

    chunks = parquet_chunks(table(rows()))
    first = next(chunks)
    assert first.startswith(b"PAR1")
    assert taken == 2

    whole = parquet.ParquetFile(io.BytesIO(first + b"".join(chunks)))
    assert (whole.metadata.num_rows, whole.metadata.num_row_groups) == (9, 5)


def test_csv_comes_in_pieces_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.history.exports.text._LINES_AT_ONCE", 2)
    source = iter(ROWS * 3)

    next(csv_chunks(table(source)))

    assert len(list(source)) == 7


def sheet_of(data: bytes, number: int = 1) -> list[list[str]]:
    """The cells of a sheet as text, formulas marked."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        root = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
    return [
        [
            ("FORMULA " if cell.find("m:f", space) is not None else "")
            + "".join(part.text or "" for part in cell.iter() if part.tag.endswith(("}v", "}t")))
            for cell in row.findall("m:c", space)
        ]
        for row in root.iterfind(".//m:row", space)
    ]


def test_a_workbook_has_numbers_as_numbers_and_texts_as_texts() -> None:
    _, first, second, third = sheet_of(b"".join(workbook_chunks(table())))

    assert first == ["2026-03-01T12:00:00.123456Z", "@Main", "plain", "0.5550", "2.50", "-12.345678", "0", "1"]
    assert second[2] == "=1+1"
    # More digits than a spreadsheet's number keeps: as text, whole.
    assert second[5] == "9007199254.740993"
    assert third == ["2026-03-01T12:00:00.123456Z", ""]


def test_a_full_sheet_is_followed_by_another() -> None:
    data = b"".join(workbook_chunks(table(ROWS[:1] * 5), rows_per_sheet=2))

    assert [len(sheet_of(data, number)) for number in (1, 2, 3)] == [3, 3, 2]


# --- asked for by people --------------------------------------------------------------------------


@pytest.fixture
def office(db: None) -> Office:
    return make_office()


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_has_all_that_matches_and_is_written_down(form: str, office: Office) -> None:
    for number in range(120):
        make_order(office.account, subaccount=number % 2, ticker=TICKER)

    answer = client_of(office.person).post(
        "/history/search/export/", {"kind": "orders", "account": "all", "subaccount": "1", "format": form}
    )

    assert answer.status_code == 200
    assert answer["Content-Disposition"].endswith(f'.{form}"')
    data = b"".join(answer.streaming_content)
    lines = {
        "csv": lambda: len(csv_of(iter([data]))) - 1,
        "parquet": lambda: parquet.read_table(io.BytesIO(data)).num_rows,
        "xlsx": lambda: len(sheet_of(data)) - 1,
    }
    assert lines[form]() == 60
    entry = AuditEntry.objects.get(action="history.search.exported")
    assert entry.actor_id == office.person.pk
    assert entry.data == {"format": form, "zone": "UTC", "kind": "orders", "subaccount": "1"}


@pytest.mark.parametrize("role", ["viewer", "trader", "quoter", "operator", "vault-admin", "admin"])
def test_who_may_not_export_gets_no_file_and_no_control(role: str, office: Office) -> None:
    make_order(office.account)
    person = make_person(office.desk, role)

    assert client_of(person).post("/history/search/export/", {"format": "csv"}).status_code == 403
    page = client_of(person).get("/history/search/").content.decode()
    assert "/history/search/export/" not in page
    assert TICKER in page


def test_the_service_refuses_too(office: Office) -> None:
    viewer = make_office("viewer")

    with pytest.raises(NotAllowed):
        search_export(viewer.actor, choice_from({}, zone="UTC"), form="csv")
    with pytest.raises(DeskError):
        search_export(office.actor, choice_from({}, zone="UTC"), form="exe")
    assert not AuditEntry.objects.filter(action="history.search.exported").exists()


def test_another_desks_account_is_not_exported(office: Office) -> None:
    stranger = make_office()
    make_order(stranger.account)

    answer = client_of(office.person).post(
        "/history/search/export/", {"account": str(stranger.account.pk), "format": "csv"}
    )

    assert answer.status_code == 404


def test_names_of_people_and_accounts_are_in_the_file(office: Office) -> None:
    make_order(office.account, intent=make_intent(office))
    table = search_export(office.actor, choice_from({}, zone="UTC"), form="csv")

    heads, row = csv_of(csv_chunks(table))
    cells = dict(zip(heads, row, strict=True))

    assert (cells["account"], cells["person"], cells["side"]) == (
        office.account.name,
        office.person.username,
        "buy_yes",
    )
    assert (cells["yes_price_dollars"], cells["contracts"], cells["environment"]) == ("0.5600", "10.00", "paper")


@pytest.mark.django_db(transaction=True)
def test_an_asgi_server_gets_the_file_in_pieces() -> None:
    office = make_office()
    make_fill(office.account)

    async def exported() -> tuple[bool, list[bytes]]:
        browser = AsyncClient()
        await browser.aforce_login(office.person, backend="django.contrib.auth.backends.ModelBackend")
        answer = await browser.post("/history/search/export/", {"kind": "fills", "format": "csv"})
        return answer.is_async, [chunk async for chunk in answer.streaming_content]

    is_async, chunks = async_to_sync(exported)()

    assert is_async
    assert len(csv_of(iter(chunks))) == 2


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_what_is_found_with_links(office: Office) -> None:
    order = make_order(office.account, price=Decimal("0.0550"))

    page = client_of(office.person).get("/history/search/", {"q": "kxsearch"}).content.decode()

    assert f"/orders/order:{order.order_id}/" in page
    assert "5.5¢" in page
    assert "BUY YES" in page


def test_the_page_begins_with_the_account_of_the_top_bar(office: Office) -> None:
    make_order(office.account, ticker="KXPAPER-1")
    production = make_account(office.desk, environment="production")
    make_order(production, ticker="KXREAL-1")
    browser = client_of(office.person)

    assert "KXREAL-1" not in browser.get("/history/search/").content.decode()
    everything = browser.get("/history/search/", {"account": "all"}).content.decode()
    assert "KXREAL-1" in everything
    assert "badge--production" in everything


def test_the_next_page_keeps_the_filters(office: Office) -> None:
    for number in range(130):
        make_fill(office.account, minutes=number, subaccount=2)
    browser = client_of(office.person)

    first = browser.get("/history/search/", {"kind": "fills", "subaccount": "2"})
    [link] = [line for line in first.content.decode().split('href="') if "&amp;after=" in line]
    second = browser.get("/history/search/" + link.split('"')[0].replace("&amp;", "&"))

    assert first.content.decode().count("trade-") == 100
    assert second.content.decode().count("trade-") == 30


@pytest.mark.parametrize("query", ["?size_from=x", "?after=zzz", "?kind=nothing", "?from=2026-13-01&side=up"])
def test_what_cannot_be_searched_is_said_beside_the_filters(query: str, office: Office) -> None:
    answer = client_of(office.person).get(f"/history/search/{query}")

    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
