"""The Orders page, its rows, its CSV, and cancels from it."""

import csv
import io
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from apps.accounts.grant_changes import grants_change
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.permissions import Grant
from apps.orders.models import CancelIntent, OrderIntent
from apps.orders.pages.export import export_chunks, safe_cell
from apps.orders.pages.filters import BlotterFilter
from apps.orders.pages.rows import blotter_page, blotter_rows, cursor_from
from tests.orders.blotter import NOW, client_as, make_intent, make_order
from tests.orders.conftest import TICKER, Place
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


def page_of(place: Place, **chosen: str) -> list[dict[str, Any]]:
    return blotter_page(place.trader, account_id=place.account.pk, chosen=BlotterFilter(**chosen)).rows


@pytest.fixture
def client(place: Place) -> Client:
    return client_of(User.objects.get(pk=place.trader.user_id))


def test_the_blotter_is_filtered_by_subaccount(place: Place, client: Client) -> None:
    make_order(place, subaccount=0)
    make_order(place, subaccount=12, is_ours=False)
    make_intent(place, subaccount=12)

    assert {row["subaccount"] for row in page_of(place, tab="all", subaccount="12")} == {12}
    assert len(page_of(place, tab="all", subaccount="12")) == 2
    assert client.get("/orders/rows.json", {"tab": "all", "subaccount": "12"}).json()["rows"]
    assert client.get("/orders/rows.json", {"tab": "all", "subaccount": "x"}).status_code == 400


# --- which rows -------------------------------------------------------------------------------------


def test_each_tab_holds_its_states_and_unknown_is_never_among_the_working(place: Place) -> None:
    resting = make_order(place)
    filled = make_order(place, status="executed", filled_count=Decimal("10"), remaining_count=Decimal("0"))
    cancelled = make_order(place, status="canceled", remaining_count=Decimal("0"))
    waiting = make_intent(place, state="committed")
    unknown, not_seen = make_intent(place, state="unknown"), make_intent(place, state="not_seen")
    refused = make_intent(place, state="refused", error_text="Too little cash.")

    found = {tab: {row["key"] for row in page_of(place, tab=tab)} for tab in ("working", "unknown", "filled")}
    ended = {tab: {row["key"] for row in page_of(place, tab=tab)} for tab in ("cancelled", "rejected", "all")}

    assert found["working"] == {f"intent:{resting.intent_id}", f"intent:{waiting.pk}"}
    assert found["unknown"] == {f"intent:{unknown.pk}", f"intent:{not_seen.pk}"}
    assert found["filled"] == {f"intent:{filled.intent_id}"}
    assert ended["cancelled"] == {f"intent:{cancelled.intent_id}"}
    assert ended["rejected"] == {f"intent:{refused.pk}"}
    assert len(ended["all"]) == 7


def test_filters_take_the_side_as_entered_the_person_and_the_start_of_an_id(place: Place) -> None:
    other = make_person(place.desk, "trader")
    sold = make_order(place, intent=make_intent(place, entered_as="sell_no", placed_by_id=other.pk))
    bought = make_order(place)
    external = make_order(place, is_ours=False, order_id="XYZ-1", ticker="KXOTHER-1")

    assert [row["key"] for row in page_of(place, side="sell_no")] == [f"intent:{sold.intent_id}"]
    assert {row["key"] for row in page_of(place, side="buy_yes")} == {f"intent:{bought.intent_id}", "order:XYZ-1"}
    assert [row["key"] for row in page_of(place, person=str(other.pk))] == [f"intent:{sold.intent_id}"]
    assert [row["key"] for row in page_of(place, person="external")] == ["order:XYZ-1"]
    assert [row["key"] for row in page_of(place, text="xyz")] == ["order:XYZ-1"]
    assert [row["key"] for row in page_of(place, text="other-")] == [f"order:{external.order_id}"]


def test_pages_meet_without_a_gap_or_a_repeat_also_at_one_instant(place: Place) -> None:
    """Eleven rows of three instants and both tables, read in twos while a newer one arrives."""
    for seconds in (0, 0, 0, 1, 1, 2):
        make_order(place, at=NOW - timedelta(seconds=seconds))
    for seconds in (0, 0, 1, 2, 2):
        make_intent(place, state="committed", created_at=NOW - timedelta(seconds=seconds))
    expected = [row["key"] for row in blotter_rows(place.trader, account_id=place.account.pk, chosen=BlotterFilter())]
    assert len(set(expected)) == 11

    seen: list[str] = []
    after = None
    while True:
        page = blotter_page(place.trader, account_id=place.account.pk, chosen=BlotterFilter(), after=after, limit=2)
        seen += [row["key"] for row in page.rows]
        make_order(place, at=NOW + timedelta(seconds=len(seen)))
        if page.next is None:
            break
        after = cursor_from(str(page.next))

    assert seen == expected


def test_another_desks_orders_are_in_no_list(place: Place, client: Client) -> None:
    desk = make_desk("Foreign")
    account = make_account(desk)
    trader = make_person(desk, "trader")
    foreign = OrderIntent.objects.create(
        desk=desk,
        account=account,
        placed_by=trader,
        idempotency_key=uuid.uuid4(),
        ticker="KXFOREIGN-1",
        book_side="bid",
        price=Decimal("0.5"),
        count=Decimal("1"),
        created_at=NOW,
    )

    assert b"KXFOREIGN" not in client.get("/orders/?tab=all").content
    assert client.get("/orders/rows.json?tab=all").json()["rows"] == []
    assert client.get(f"/orders/intent:{foreign.pk}/").status_code == 404
    assert client_of(trader).get(f"/orders/intent:{foreign.pk}/").status_code == 200


# --- the page and its JSON ----------------------------------------------------------------------------


def test_the_page_lists_orders_without_scripts_and_hides_controls_from_viewers(place: Place, client: Client) -> None:
    order = make_order(place)

    shown = client.get("/orders/").content.decode()
    watched = client_as(place, "viewer").get("/orders/").content.decode()

    for page in (shown, watched):
        assert TICKER in page
        assert "BUY YES" in page
        assert "56¢" in page
    assert f'value="{order.order_id}"' in shown
    assert "Cancel all" in shown
    assert 'name="order_id"' not in watched
    assert "Cancel all" not in watched
    assert "data-export>" not in shown  # a trader may not export
    assert "data-export>" in client_as(place, "analyst").get("/orders/").content.decode()


def test_titles_of_the_exchange_are_text_never_markup(place: Place, client: Client) -> None:
    make_intent(place, state="refused", error_text="<img src=x onerror=alert(1)>", ticker=TICKER)
    page = client.get("/orders/?tab=rejected").content.decode()

    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_rows_come_as_json_with_the_counts_of_all_tabs(place: Place, client: Client) -> None:
    make_order(place)
    make_intent(place, state="unknown")

    body = client.get("/orders/rows.json", {"tab": "all", "limit": "1"}).json()

    assert len(body["rows"]) == 1
    assert body["counts"] == {"working": 1, "unknown": 1, "filled": 0, "cancelled": 0, "rejected": 0, "all": 2}
    older = client.get("/orders/rows.json", {"tab": "all", "after": body["next"]}).json()
    assert len(older["rows"]) == 1
    assert older["next"] is None
    assert {body["rows"][0]["key"]} & {older["rows"][0]["key"]} == set()


@pytest.mark.parametrize(
    "query", ["tab=nonsense", "side=buy", "person=me", "after=1-2-3", "after=1.2-9-9", "limit=many", "q=%00"]
)
def test_a_choice_that_does_not_read_is_refused_in_words(client: Client, query: str) -> None:
    answer = client.get(f"/orders/rows.json?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_page_address_that_does_not_read_leads_back_to_the_list(client: Client) -> None:
    answer = client.get("/orders/?tab=nonsense", follow=True)

    assert answer.redirect_chain == [("/orders/", 302)]
    assert "There is no such tab." in answer.content.decode()


def test_a_desk_without_an_account_says_so(db: None) -> None:
    page = client_of(make_person(make_desk(), "trader")).get("/orders/")

    assert page.status_code == 200
    assert "No account is selected" in page.content.decode()


# --- CSV ----------------------------------------------------------------------------------------------


def read_csv(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_the_csv_holds_the_shown_choice_exactly_and_is_in_the_audit_trail(place: Place) -> None:
    order = make_order(
        place,
        price=Decimal("0.5600"),
        filled_count=Decimal("4"),
        remaining_count=Decimal("6"),
        fill_cost=Decimal("2.22"),
        fees=Decimal("0.0712"),
    )
    make_intent(place, state="refused")

    answer = client_as(place, "lead").post("/orders/export.csv", {"tab": "working"})

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    rows = read_csv(answer)
    assert len(rows) == 1
    assert rows[0]["market"] == TICKER
    assert rows[0]["order_id"] == order.order_id
    assert (rows[0]["count"], rows[0]["filled"], rows[0]["remaining"]) == ("10.00", "4.00", "6.00")
    assert rows[0]["average_price_dollars"] == "0.555000"
    assert rows[0]["fees_dollars"] == "0.0712"
    entry = AuditEntry.objects.get(action="orders.list.exported")
    assert entry.data["tab"] == "working"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_is_a_formula(place: Place, start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    make_order(place, is_ours=False, order_id=evil, client_order_id=evil)

    answer = client_as(place, "analyst").post("/orders/export.csv", {"tab": "all"})
    cells = [cell for row in read_csv(answer) for cell in row.values()]

    assert f"'{evil}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_plain_cell_stays_as_it_is() -> None:
    assert [safe_cell(value) for value in (None, 0, "0.5600", "KX-1")] == ["", "0", "0.5600", "KX-1"]


def test_the_csv_streams_more_rows_than_one_page_of_reading(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.orders.pages.rows.PAGE_AT_MOST", 2)
    monkeypatch.setattr("apps.orders.pages.export.COLUMNS", ("placed_at_utc",))
    for seconds in range(5):
        make_order(place, at=NOW - timedelta(seconds=seconds))

    answer = client_as(place, "analyst").post("/orders/export.csv")

    assert answer.streaming
    assert len(list(answer.streaming_content)) == 6


def test_a_server_of_the_asynchronous_kind_gets_the_same_lines() -> None:
    rows = [f"line {number}\r\n" for number in range(1_203)]

    async def collect() -> list[str]:
        return [chunk async for chunk in export_chunks(iter(rows))]

    chunks = async_to_sync(collect)()

    assert len(chunks) == 3
    assert "".join(chunks) == "".join(rows)


# --- cancels ------------------------------------------------------------------------------------------


def test_chosen_orders_are_cancelled_after_the_scope_was_said_in_words(
    place: Place, client: Client, queued: list[tuple[str, int]]
) -> None:
    chosen = [make_order(place), make_order(place, ticker="KXOTHER-1", remaining_count=Decimal("1240.50"))]
    done = make_order(place, status="executed")
    kept = make_order(place)
    form = {
        "order_id": [order.order_id for order in (*chosen, done)],
        "idempotency_key": str(uuid.uuid4()),
        "account_id": str(place.account.pk),
    }

    question = client.post("/orders/cancel/", form).content.decode()
    assert "2 working orders in 2 markets, 1,250.5 contracts" in question
    assert "1 of the chosen are done by now" in question
    assert not CancelIntent.objects.exists()

    for _ in range(2):  # a double click
        client.post("/orders/cancel/", {**form, "confirmed": "yes"})

    assert set(CancelIntent.objects.values_list("order_id", flat=True)) == {order.pk for order in chosen}
    assert CancelIntent.objects.count() == 2
    assert not kept.cancels.exists()
    assert [name for name, _ in queued] == ["cancel_send", "cancel_send"]


def test_cancelling_as_json_tells_what_was_done(place: Place, client: Client, queued: list[Any]) -> None:
    order = make_order(place)
    form = {"order_id": order.order_id, "idempotency_key": str(uuid.uuid4()), "confirmed": "yes"}

    answer = client.post("/orders/cancel/", form, headers={"Accept": "application/json"})

    assert answer.json() == {"cancels": 1, "gone": 0}


@pytest.mark.parametrize("field", ["order_id", "idempotency_key", "account_id"])
def test_a_cancel_that_does_not_read_or_names_another_account_does_nothing(
    place: Place, client: Client, field: str
) -> None:
    order = make_order(place)
    form: dict[str, str] = {
        "order_id": order.order_id,
        "idempotency_key": str(uuid.uuid4()),
        "account_id": str(place.account.pk),
        "confirmed": "yes",
    }
    form[field] = "" if field == "order_id" else "999"

    answer = client.post("/orders/cancel/", form, headers={"Accept": "application/json"})

    assert answer.status_code == 400
    assert not CancelIntent.objects.exists()


def test_foreign_orders_cannot_be_chosen(place: Place, client: Client) -> None:
    foreign = make_order(place, is_ours=False, account=make_account(make_desk()))
    form = {"order_id": foreign.order_id, "idempotency_key": str(uuid.uuid4()), "confirmed": "yes"}

    answer = client.post("/orders/cancel/", form, headers={"Accept": "application/json"})

    assert answer.status_code == 400
    assert not CancelIntent.objects.exists()


def test_cancel_all_asks_first_then_reaches_everything(place: Place, client: Client, queued: list[Any]) -> None:
    make_order(place)
    make_order(place, is_ours=False, subaccount=3)
    unsent, unknown = make_intent(place, state="committed"), make_intent(place, state="unknown")

    question = client.post("/orders/cancel-all/").content.decode()
    assert "2 working orders in 1 market, 20 contracts" in question
    assert "1 not sent yet will be withdrawn" in question
    assert not CancelIntent.objects.exists()

    page = client.post("/orders/cancel-all/", {"confirmed": "yes"}, follow=True).content.decode()

    assert CancelIntent.objects.count() == 2
    unsent.refresh_from_db()
    unknown.refresh_from_db()
    assert (unsent.state, unknown.state) == ("refused", "unknown")
    assert "1 with an unknown outcome cannot be cancelled" in page


def test_the_way_back_after_a_cancel_never_leaves_the_desk(place: Place, client: Client, queued: list[Any]) -> None:
    order = make_order(place)
    form = {"order_id": order.order_id, "idempotency_key": str(uuid.uuid4()), "confirmed": "yes"}

    answer = client.post("/orders/cancel/", {**form, "next": "https://evil.example/"})

    assert answer["Location"] == "/orders/"


def test_a_cancel_of_everything_says_how_far_it_goes(place: Place) -> None:
    order = make_order(place)
    person = make_person(place.desk)
    grants_change(place.desk, user_id=person.pk, add=[Grant("trader", place.account.pk, order.subaccount)])
    limited = client_of(person)

    theirs = limited.post("/orders/cancel-all/").content.decode()
    whole = client_as(place, "trader").post("/orders/cancel-all/").content.decode()

    assert "that you may cancel in the account" in theirs
    assert "everybody on this desk" not in theirs
    assert "all subaccounts and markets" in whole
    assert "everybody on this desk" in whole


def test_the_csv_says_why_an_order_ended_as_the_grid_does(place: Place) -> None:
    make_intent(place, state="refused", error_text="Too little cash.", evidence="Found at 12:00.")
    make_intent(place, state="unknown", evidence="Not found yet.")
    make_intent(place, state="committed", evidence="Nothing to say.")

    rows = read_csv(client_as(place, "lead").post("/orders/export.csv", {"tab": "all"}))

    assert sorted(row["reason"] for row in rows) == ["", "Not found yet.", "Too little cash."]
