"""Blotters of requests and quotes: what a row says, paging that neither repeats nor hides, filters, the file."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.timestamps import utc_now
from apps.paper.testing import LINEAR
from apps.rfq.models import Rfq
from apps.rfq.pages.blotters import choice_from
from apps.rfq.pages.exports import COLUMNS, export_lines
from apps.rfq.selectors.blotters import QUOTES, REQUESTS, BlotterChoice, blotter_page, blotter_rows, cursor_from
from apps.rfq.selectors.periods import period_from
from apps.rfq.services import accepts_send
from tests.rfq.scene import Scene
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person


def choice(kind: str = REQUESTS, **over: Any) -> BlotterChoice:
    return choice_from({"from": "", **over}, kind=kind, zone="UTC")


def rows(scene: Scene, kind: str = REQUESTS, **over: Any) -> list[dict[str, Any]]:
    return list(blotter_rows(scene.quoter, account_id=scene.place.account.pk, chosen=choice(kind, **over)))


def bought(scene: Scene) -> Rfq:
    """Ask for 100, take YES at 35 cents of two quotes, and see it executed."""
    rfq = scene.request(note="=HYPERLINK(1)")
    best = scene.quote(rfq, "0.3000", "0.6500")
    scene.quote(rfq, "0.3000", "0.6400", by="trader-2")
    scene.hear()
    Rfq.objects.update(book_at_send={"yes_bid": "0.3300", "yes_ask": "0.3800", "sweep_yes": "0.3850", "sweep_no": None})
    accept = scene.accept(rfq, best, "yes", "0.35")
    scene.work()
    scene.confirm(best)
    accepts_send.accept_resolve(accept.pk)
    scene.step(seconds=16)
    scene.hear()
    scene.work()
    return rfq


def test_a_row_says_what_was_asked_offered_taken_and_saved(scene: Scene) -> None:
    bought(scene)

    [row] = rows(scene)

    assert (row["quotes"], row["best_yes"], row["cover"], row["best_no"]) == (
        2,
        Decimal("0.35"),
        Decimal("0.36"),
        Decimal("0.70"),
    )
    assert (row["buys"], row["price"], row["bought"]) == ("yes", Decimal("0.35"), Decimal(100))
    assert (row["improvement"], row["improvement_total"]) == (Decimal("0.035"), Decimal("3.5"))
    assert row["maker"].startswith("mk-")
    assert row["first_quote_ms"] is not None
    assert 15_000 <= row["execute_ms"] <= 16_000


def test_what_was_never_taken_has_no_cover_and_no_saving(scene: Scene) -> None:
    rfq = scene.request()
    scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()

    [row] = rows(scene)

    assert (row["buys"], row["price"], row["cover"], row["improvement"], row["fees"]) == ("", None, None, None, None)
    assert row["state_text"] == "Live, 1 quote"


def make_rfqs(scene: Scene, number: int) -> None:
    at = utc_now()
    terms = {"desk": scene.place.desk, "account": scene.place.account, "ticker": LINEAR, "contracts": 1}
    # Three of each instant: only the row id tells them apart.
    Rfq.objects.bulk_create(
        Rfq(**terms, created_at=at - timedelta(microseconds=index // 3), state="refused") for index in range(number)
    )


def test_pages_meet_without_a_gap_or_a_repeat_while_rows_arrive(scene: Scene) -> None:
    make_rfqs(scene, 11)
    everything = [row["key"] for row in rows(scene)]
    seen: list[str] = []
    after = None
    while True:
        page = blotter_page(
            scene.quoter, account_id=scene.place.account.pk, chosen=choice(), after=cursor_from(after or ""), limit=4
        )
        seen += [row["key"] for row in page.rows]
        make_rfqs(scene, 1)  # newer than what is being paged through
        if page.next is None:
            break
        after = str(page.next)

    assert seen == everything
    assert len(set(seen)) == 11


@pytest.mark.parametrize("text", ["x", "1-2-3", "1.2-", "1.2--3", "9.9-0", "1e5.0-1", "99999999999999999999.0-1"])
def test_a_cursor_that_nobody_gave_is_refused(text: str) -> None:
    with pytest.raises(DeskError):
        cursor_from(text)


def test_filters_narrow_by_person_series_state_and_day(scene: Scene) -> None:
    rfq = scene.request()
    day = rfq.created_at.date()

    assert len(rows(scene, person=str(scene.quoter.user_id), series="kx", state="open")) == 1
    assert rows(scene, person=str(scene.other.user_id)) == []
    assert rows(scene, series="KXNOTHING") == []
    assert rows(scene, state="closed") == []
    assert len(rows(scene, subaccount="0")) == 1
    assert rows(scene, subaccount="7") == []
    assert rows(scene, **{"from": str(day + timedelta(days=1)), "to": str(day + timedelta(days=1))}) == []


@pytest.mark.parametrize(
    "values",
    [
        {"person": "1 OR 1"},
        {"state": "nowhere"},
        {"from": "yesterday"},
        {"from": "2026-02-30"},
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"series": "a\x00"},
    ],
)
def test_what_is_no_choice_is_said_in_words(values: dict[str, str]) -> None:
    with pytest.raises(DeskError) as refused:
        choice_from(values, kind=REQUESTS, zone="UTC")

    assert refused.value.fields


def test_days_are_those_of_the_person_and_a_changed_clock_is_a_longer_day() -> None:
    period = period_from({"from": "2026-10-31", "to": "2026-11-01"}, zone="America/New_York", now=utc_now())

    assert (period.start.isoformat(), period.end - period.start) == ("2026-10-31T04:00:00+00:00", timedelta(hours=49))


def test_other_desks_see_no_rows(scene: Scene) -> None:
    scene.request()
    stranger = actor_of(make_person(make_desk(), "lead"))

    for kind in (REQUESTS, QUOTES):
        assert blotter_page(stranger, account_id=scene.place.account.pk, chosen=choice(kind)).rows == []


def test_no_text_of_the_file_is_a_formula_and_a_loss_stays_a_number(scene: Scene) -> None:
    bought(scene)
    Rfq.objects.update(book_at_send={"sweep_yes": "0.3400"})

    [heads, line] = list(csv.reader(io.StringIO("".join(export_lines(REQUESTS, rows(scene))))))
    cells = dict(zip(heads, line, strict=True))

    assert tuple(heads) == tuple(COLUMNS[REQUESTS])
    assert cells["note"] == "'=HYPERLINK(1)"
    assert cells["improvement_per_contract_dollars"] == "-0.0100"
    assert cells["created_utc"].endswith("Z")


@pytest.mark.parametrize("name", ["/rfq/blotter/", "/rfq/blotter/quotes/"])
def test_the_page_and_its_file_need_different_rights(scene: Scene, name: str) -> None:
    scene.request()
    viewer = client_of(make_person(scene.place.desk, "viewer"))
    analyst = client_of(make_person(scene.place.desk, "analyst"))

    assert viewer.get(name).status_code == 200
    assert "Export CSV" not in viewer.get(name).text
    assert viewer.post(f"{name}export/").status_code == 403
    assert analyst.get(f"{name}export/").status_code == 405
    answer = analyst.post(f"{name}export/")
    assert answer["Content-Type"].startswith("text/csv")
    lines = b"".join(getattr(answer, "streaming_content", ())).splitlines()
    assert len(lines) == (1 if "quotes" in name else 2)
    assert AuditEntry.objects.get(action__endswith=".exported").data["state"] == ""


def test_the_page_shows_the_rows_and_says_when_there_are_none(scene: Scene) -> None:
    person = client_of(User.objects.get(pk=scene.quoter.user_id))
    assert "No request in these days" in person.get("/rfq/blotter/").text
    bought(scene)

    page = person.get("/rfq/blotter/").text

    assert "Buy YES" in page
    assert "+3.5¢ (+$3.50)" in page
    assert "Nothing matches" in person.get("/rfq/blotter/?series=KXNOTHING").text
    assert person.get("/rfq/blotter/?state=nowhere").status_code == 302


def test_a_desk_without_an_account_is_told_so(scene: Scene) -> None:
    desk = make_desk()
    person = client_of(make_person(desk, "viewer"))

    assert "No account is selected" in person.get("/rfq/blotter/").text
    make_account(desk)
    assert "No request in these days" in person.get("/rfq/blotter/").text
