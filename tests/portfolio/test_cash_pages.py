"""The pages Subaccounts and Cash, without scripts; statements as files."""

import base64
import csv
import io
import re
import uuid
import zlib
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.ports import commands
from apps.core.timestamps import from_unix_ms, utc_now
from apps.orders.models import Fill
from apps.paper.testing import InProcessPaper
from apps.portfolio.models import Balance, Subaccount, SubaccountAction
from apps.portfolio.pages.cash import period_from
from apps.portfolio.subaccounts import subaccounts_refresh
from tests.orders.conftest import Place, Published
from tests.portfolio.paper_desk import PaperDesk, build_desk
from tests.portfolio.paper_life import live, read_all
from tests.support.paper import paper
from tests.support.people import client_of, make_account, make_desk, make_person

__all__ = ["paper"]


@pytest.fixture
def desk(
    place: Place,
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: list[tuple[str, int]],
) -> PaperDesk:
    return build_desk(place, paper, monkeypatch)


def browser(desk: PaperDesk, who: str) -> Client:
    ids = {"viewer": desk.place.viewer, "trader": desk.place.trader, "lead": desk.lead}
    return client_of(User.objects.get(pk=ids[who].user_id))


def body(answer: Any) -> bytes:
    if not answer.streaming:
        return bytes(answer.content)
    if not answer.is_async:
        return b"".join(answer.streaming_content)

    async def read() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(read)()


def pdf_words(made: bytes) -> list[str]:
    """What is drawn, in the order of the file."""
    streams = re.findall(rb"stream\r?\n(Ga.*?~>)endstream", made, re.DOTALL)
    drawn = [zlib.decompress(base64.a85decode(b"<~" + one, adobe=True)) for one in streams]
    return [text.decode("latin-1") for text in re.findall(rb"\((.*?)\) Tj", b"\n".join(drawn))]


def test_a_viewer_sees_the_tree_and_has_no_control(desk: PaperDesk) -> None:
    subaccounts_refresh(desk.account.pk)

    page = browser(desk, "viewer").get(reverse("subaccounts")).content.decode()

    assert "$25,000.00" in page
    assert "Traders and leads move cash" in page
    for control in ("data-transfer", "data-create", "data-netting", "transfer/", "subaccounts/name/"):
        assert control not in page


def test_a_transfer_without_scripts_is_previewed_then_sent_once(desk: PaperDesk) -> None:
    subaccounts_refresh(desk.account.pk)
    trader = browser(desk, "trader")
    values = {"from": "0", "to": "1", "amount": "12.34"}

    page = trader.get(reverse("subaccounts"), values).content.decode()
    assert "$24,987.66" in page
    assert "Move $12.34 from 0 to 1" in page

    values["idempotency_key"] = str(uuid.uuid4())
    for _ in range(2):
        answer = trader.post(reverse("transfer_send"), values, follow=True)
    assert "Transfer asked for" in answer.content.decode()
    assert SubaccountAction.objects.get().amount == Decimal("12.34")


@pytest.mark.parametrize(
    "values",
    [
        {"from": "0", "to": "1", "amount": "abc"},
        {"from": "0", "to": "x", "amount": "1"},
        {"from": "0", "to": "1", "amount": "1", "idempotency_key": "no"},
        {"from": "0", "to": "1", "amount": "99999999"},
    ],
)
def test_what_cannot_be_read_does_nothing(desk: PaperDesk, values: dict[str, str]) -> None:
    subaccounts_refresh(desk.account.pk)

    answer = browser(desk, "trader").post(
        reverse("transfer_send"), {"idempotency_key": str(uuid.uuid4())} | values, follow=True
    )

    assert "Nothing was done" in answer.content.decode()
    assert not SubaccountAction.objects.exists()


def test_a_lead_opens_subaccounts_and_switches_netting_without_scripts(desk: PaperDesk) -> None:
    subaccounts_refresh(desk.account.pk)
    lead = browser(desk, "lead")

    lead.post(reverse("subaccount_create"), {"idempotency_key": str(uuid.uuid4()), "name": "Weather"})
    lead.post(reverse("subaccount_netting"), {"idempotency_key": str(uuid.uuid4()), "number": "1", "is_netting": "off"})

    kinds = SubaccountAction.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["create", "netting"]
    assert "Switching" in lead.get(reverse("subaccounts_live")).content.decode()


def test_a_lead_renames_a_subaccount_which_is_the_desks_own_word_and_on_the_trail(desk: PaperDesk) -> None:
    subaccounts_refresh(desk.account.pk)
    lead = browser(desk, "lead")

    lead.post(reverse("subaccount_name"), {"number": "1", "name": "  Weather   desk "})
    again = lead.post(reverse("subaccount_name"), {"number": "1", "name": "Weather desk"}, follow=True)
    wrong = lead.post(reverse("subaccount_name"), {"number": "31", "name": "None"}, follow=True)

    assert "Weather desk" in again.content.decode()
    assert "has not read such a subaccount" in wrong.content.decode()
    entries = AuditEntry.objects.filter(action="portfolio.subaccount.renamed")
    assert [entry.data for entry in entries] == [{"number": 1, "was": "", "is": "Weather desk"}]
    subaccounts_refresh(desk.account.pk)
    assert Subaccount.objects.get(number=1).name == "Weather desk"
    assert not SubaccountAction.objects.exists()
    assert browser(desk, "trader").post(reverse("subaccount_name"), {"number": "1", "name": "x"}).status_code == 403


def test_the_socket_does_the_same_and_says_what_is_wrong_by_field(desk: PaperDesk) -> None:
    subaccounts_refresh(desk.account.pk)
    params = {"idempotency_key": str(uuid.uuid4()), "from": 0, "to": 1, "amount": "5.00"}

    told = commands["transfer.preview"].handler(desk.place.viewer, params)
    sent = commands["transfer.send"].handler(desk.place.trader, params)

    assert told["from"] == {"number": 0, "before": "25000.0000", "after": "24995.0000"}
    assert (sent["action"]["state"], sent["action"]["what"]) == ("committed", "$5.00 from 0 to 1")
    for wrong in ({"from": True}, {"to": -1}, {"amount": 5}, {"idempotency_key": "x"}):
        with pytest.raises(DeskError) as refused:
            commands["transfer.send"].handler(desk.place.trader, params | wrong)
        assert set(refused.value.fields) == set(wrong)


def statement(desk: PaperDesk, kind: str, **over: str) -> Any:
    analyst = client_of(make_person(desk.place.desk, "analyst"))
    now = from_unix_ms(desk.paper.clock.now_ms())
    days = {"from": f"{now:%Y-%m-01}", "to": f"{now:%Y-%m-%d}", "format": kind}
    return analyst.post(reverse("cash_statement"), days | over)


@pytest.fixture
def lived(desk: PaperDesk) -> PaperDesk:
    live(desk, seed=11, steps=50)
    read_all(desk)
    Balance.objects.update(seen_at=from_unix_ms(desk.paper.clock.now_ms()))
    return desk


def test_a_csv_statement_runs_from_the_opening_to_the_closing_balance(lived: PaperDesk) -> None:
    answer = statement(lived, "csv")
    rows = list(csv.DictReader(io.StringIO(body(answer).decode())))

    assert (rows[0]["kind"], rows[-2]["kind"], rows[-1]["kind"]) == ("opening", "closing", "check")
    balance = Decimal(rows[0]["balance_dollars"])
    for row in rows[1:-2]:
        assert Decimal(row["cash_dollars"]) == Decimal(row["gross_dollars"]) - Decimal(row["fee_dollars"])
        balance += Decimal(row["cash_dollars"])
        assert Decimal(row["balance_dollars"]) == balance
    assert rows[-1]["balance_dollars"] == rows[-2]["balance_dollars"]
    assert "to the millionth" in rows[-1]["description"]
    assert AuditEntry.objects.filter(action="portfolio.statement.exported").count() == 1


def test_a_parquet_statement_is_exact_and_says_its_check(lived: PaperDesk, tmp_path: Any) -> None:
    from pyarrow import parquet

    path = tmp_path / "statement.parquet"
    path.write_bytes(body(statement(lived, "parquet", subaccount="0")))
    table = parquet.read_table(path)

    assert str(table.schema.field("cash").type) == "decimal128(18, 6)"
    told = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert Decimal(told["opening"]) + sum(table["cash"].to_pylist(), Decimal(0)) == Decimal(told["closing"])
    assert "to the millionth" in told["check"]


def test_a_pdf_statement_has_every_line_on_its_pages(lived: PaperDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ticker = f"KXLONG-{'S2026ABCDEF0123456789' * 3}-T1"
    fill = Fill.objects.order_by("traded_at").first()
    assert fill is not None
    Fill.objects.bulk_create(
        Fill(
            account_id=fill.account_id,
            trade_id=f"copy-{number}",
            ticker=long_ticker,
            book_side="bid",
            yes_price=fill.yes_price,
            count=fill.count,
            fee=fill.fee,
            is_taker=True,
            traded_at=fill.traded_at,
            seen_at=fill.seen_at,
            source="rest",
        )
        for number in range(60)
    )
    made = body(statement(lived, "pdf"))
    assert made.startswith(b"%PDF-")
    words = pdf_words(made)
    # Nothing is cut: the long ticker is there in parts, 60 times.
    assert "".join(words).count(long_ticker) == 60
    pages = words.count("Market")
    assert pages >= 3
    assert words.count("Brought forward") == words.count("Carried forward") == pages - 1
    assert [word for word in words if word.startswith("Page ")] == [f"Page {page + 1} of" for page in range(pages)]
    assert str(pages) in words

    monkeypatch.setattr("apps.portfolio.statement_pdf.LINES_AT_MOST", 5)
    assert statement(lived, "pdf").status_code == 302


def test_the_page_shows_the_check_and_who_may_not_export_gets_no_file(lived: PaperDesk) -> None:
    trader = browser(lived, "trader")

    page = trader.get(reverse("cash")).content.decode()

    assert 'data-check="exact"' in page
    assert "Opening balance" in page
    assert reverse("cash_statement") not in page
    assert trader.post(reverse("cash_statement"), {"format": "csv"}).status_code == 403


def test_a_difference_is_said_in_words(lived: PaperDesk) -> None:
    Balance.objects.filter(subaccount=0).update(cash=Decimal("1.23"))

    page = browser(lived, "viewer").get(reverse("cash")).content.decode()

    assert 'data-check="difference"' in page
    assert "a difference of" in page


@pytest.mark.parametrize(
    "values", [{"from": "x"}, {"from": "2026-02-02", "to": "2026-01-01"}, {"to": "1999-01-01"}, {"subaccount": "-1"}]
)
def test_a_period_that_cannot_be_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(DeskError):
        period_from(values, today=utc_now().date())


def test_another_desk_sees_nothing_of_it(lived: PaperDesk) -> None:
    other = make_desk()
    make_account(other)
    page = client_of(make_person(other, "lead")).get(reverse("cash")).content.decode()

    assert "Nothing moved in this period" in page
