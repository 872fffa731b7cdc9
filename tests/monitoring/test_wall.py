"""The wall: the same figures for everybody who may look, nothing to press, screens with a link that ends."""

import logging
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import MASKED_VIEWER, Grant, Permission
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.monitoring.models import KioskLink
from apps.monitoring.pages.wall import COOKIE, COOKIE_PATH
from apps.monitoring.services.kiosk import DAYS_AT_MOST, kiosk_make, kiosk_revoke, screen_of
from apps.monitoring.tasks import walls_publish
from apps.monitoring.wall import Shared, Sight, panels, shared, sight_of, wall_of
from apps.orders.models import Fill
from apps.orders.services import intent_submit
from apps.portfolio.models import Balance, Position
from tests.orders.conftest import TICKER, Place, make_ticket
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    shared.forget()


def busy(place: Place) -> None:
    now = utc_now()
    Balance.objects.create(account=place.account, subaccount=0, cash=Decimal("812.50"), seen_at=now)
    Position.objects.create(
        account=place.account,
        subaccount=0,
        ticker=TICKER,
        position=Decimal("-40"),
        cost=Decimal("22.00"),
        realized_pnl=Decimal(0),
        fees_paid=Decimal(0),
        total_traded=Decimal("22.00"),
        seen_at=now,
    )
    Fill.objects.create(
        account=place.account,
        trade_id="t-1",
        order_id_text="o-1",
        ticker=TICKER,
        book_side="ask",
        yes_price=Decimal("0.45"),
        count=Decimal("40"),
        is_taker=True,
        fee=Decimal("0.69"),
        traded_at=now,
        seen_at=now,
        source="ws",
    )
    intent_submit(place.trader, make_ticket(place))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_viewer_sees_figures_positions_fills_limits_and_health(place: Place) -> None:
    busy(place)
    viewer = client_of(make_person(place.desk, "viewer"))

    page = text_of(viewer.get("/monitor/"))

    for shown in ("$812.50", "$22.00", "NO</td>", "YES sold", "45¢", "Orders a minute", "1 of 600", "Gateway"):
        assert shown in page, shown


def test_nothing_on_the_wall_can_be_pressed_by_a_viewer(place: Place) -> None:
    busy(place)
    viewer = client_of(make_person(place.desk, "viewer"))

    page = viewer.get("/monitor/").content.decode()
    wall = page[page.index("data-wall ") : page.index("</main>")]

    assert "<form" not in wall
    assert set(re.findall(r"<button[^>]*>", wall)) == {
        '<button class="button button--small" type="button" data-wall-full>'
    }
    assert "/monitor/kiosks/" not in wall
    for path in ("/monitor/kiosks/", "/monitor/kiosks/add/", "/monitor/kiosks/end/"):
        assert viewer.post(path).status_code == 403
    with pytest.raises(NotAllowed):
        kiosk_make(place.viewer, account_id=place.account.pk, label="Hall", days=1)


def test_the_wall_is_of_the_own_desk_only(place: Place) -> None:
    rival = make_desk("Rival")
    theirs = make_account(rival, name="Rival's book")

    with pytest.raises(NotAllowed):
        panels(place.viewer, theirs)
    assert not wall_of(place.viewer, theirs)["fills"]


def test_what_is_kept_for_one_sight_is_never_shown_to_another(place: Place) -> None:
    busy(place)
    other = make_account(place.desk, name="Other book")
    viewer, masked = place.viewer, replace(place.viewer, roles=frozenset({MASKED_VIEWER}))
    here = replace(masked, grants=frozenset({Grant("viewer", place.account.pk)}))
    elsewhere = replace(masked, grants=frozenset({Grant("viewer", other.pk)}))
    a_part = replace(masked, grants=frozenset({Grant("viewer", place.account.pk, 3)}))
    nobody = replace(masked, roles=frozenset())

    people = {"viewer": viewer, "here": here, "masked": masked, "elsewhere": elsewhere, "a_part": a_part}
    seen = {name: panels(actor, place.account).decode() for name, actor in people.items()}
    assert seen == {name: panels(actor, place.account).decode() for name, actor in people.items()}, (
        "now from what is kept"
    )
    assert sight_of(viewer, place.account) is Sight.DESK
    assert sight_of(here, place.account) is Sight.ACCOUNT

    assert "$812.50" in seen["viewer"]
    assert "Orders a minute" in seen["viewer"]
    assert "$812.50" in seen["here"]
    assert "Orders a minute" not in seen["here"], "how others stand is of the whole desk"
    for name in ("masked", "elsewhere", "a_part"):
        assert "$" not in seen[name], name
        assert TICKER not in seen[name], name
    with pytest.raises(NotAllowed):
        panels(nobody, place.account)
    assert "$812.50" not in panels(viewer, other).decode()


def test_panels_that_have_not_changed_are_not_sent_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    monkeypatch.setattr("apps.monitoring.wall.utc_now", lambda: now)
    monkeypatch.setattr("apps.monitoring.wall.health.parts", lambda desk_id, now: [])
    busy(place)
    viewer = client_of(make_person(place.desk, "viewer"))

    first = viewer.get("/monitor/panels/")
    shared.forget()
    again = viewer.get("/monitor/panels/", headers={"If-None-Match": first["ETag"]})
    Balance.objects.update(cash=Decimal("1.25"))
    shared.forget()
    changed = viewer.get("/monitor/panels/", headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == "no-store, private"
    assert changed.status_code == 200
    assert "$1.25" in changed.content.decode()


def test_a_position_without_a_price_makes_the_sum_unknown(place: Place) -> None:
    busy(place)

    figures = wall_of(place.viewer, place.account)["figures"]

    assert figures["unrealized"] is None
    assert (figures["at_risk"], figures["cash"], figures["positions"]) == (Decimal("22.00"), Decimal("812.50"), 1)


def test_one_reading_serves_all_who_look_within_a_second() -> None:
    now = [100.0]
    built: list[int] = []

    def build() -> bytes:
        built.append(1)
        return b"%d" % len(built)

    kept = Shared(lambda: now[0])

    assert [kept.get("a", build), kept.get("a", build), kept.get("b", build)] == [b"1", b"1", b"2"]
    now[0] += 2
    assert kept.get("a", build) == b"3"


def test_a_watched_wall_is_read_once_and_sent_to_all_who_watch(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(place)
    sent: list[tuple[str, dict[str, Any]]] = []
    interest = {"at": [b"wall:%d" % place.account.pk, b"book:paper:T", b"wall:999999", b"wall:x"]}

    class Redis:
        def zrangebyscore(self, *args: Any) -> list[bytes]:
            return interest["at"]

    def publish(publications: list[tuple[str, int, dict[str, Any]]], *, kept: bool) -> None:
        assert not kept, "an old wall would look like the present one to who comes later"
        sent.extend((topic, msgspec.json.decode(live.encode(frame))) for topic, _, frame in publications)

    server = SimpleNamespace(
        INTEREST=live.INTEREST, redis_client=Redis, publish_many=publish, next_version=live.next_version
    )
    monkeypatch.setattr("apps.monitoring.wall.live", server)
    walls_publish()

    ((topic, frame),) = sent
    assert topic == f"wall:{place.account.pk}"
    assert "$812.50" in frame["html"]
    assert "<form" not in frame["html"]
    interest["at"] = []
    walls_publish()
    assert len(sent) == 1


# --- screens ----------------------------------------------------------------------------------------


@pytest.fixture
def lead(place: Place) -> Any:
    return actor_of(make_person(place.desk, "lead", username="lena"))


def enter(secret: str) -> Client:
    screen = Client()
    screen.post("/monitor/kiosk/enter/", {"secret": secret})
    return screen


def test_a_screen_shows_the_wall_and_nothing_else(place: Place, lead: Any) -> None:
    busy(place)
    link, secret = kiosk_make(lead, account_id=place.account.pk, label="Hall <1>", days=7)

    screen = enter(secret)
    page = screen.get("/monitor/kiosk/")

    assert "$812.50" in page.content.decode()
    assert "Hall &lt;1&gt;" in page.content.decode()
    assert secret not in page.content.decode()
    cookie = screen.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", COOKIE_PATH)
    assert screen.get("/monitor/kiosk/panels/").status_code == 200
    for path in ("/", "/monitor/", "/monitor/panels/", "/monitor/kill/", "/orders/", "/monitor/kiosks/"):
        assert screen.get(path)["Location"].startswith("/accounts/login/"), path
    assert screen.post("/monitor/kill/pull/")["Location"].startswith("/accounts/login/")
    link.refresh_from_db()
    assert link.last_used_at is not None


def test_what_a_screen_may_is_what_a_viewer_may_see(place: Place, lead: Any) -> None:
    _, secret = kiosk_make(lead, account_id=place.account.pk, label="Hall", days=7)

    screen = screen_of(secret)

    assert screen is not None
    allowed = {permission for permission in Permission if screen.actor.may(permission)}
    assert allowed == {Permission.PUBLIC, Permission.SELF, Permission.MARKET_VIEW, Permission.DESK_VIEW}
    assert screen.actor.user_id == 0


def test_a_link_ends_by_time_by_revocation_and_with_its_maker(place: Place, lead: Any) -> None:
    values = {"account_id": place.account.pk, "days": 1}
    late, late_secret = kiosk_make(lead, label="Late", **values)
    revoked, revoked_secret = kiosk_make(lead, label="Revoked", **values)
    _, orphan_secret = kiosk_make(lead, label="Orphan", **values)
    assert all(screen_of(one) for one in (late_secret, revoked_secret, orphan_secret))

    KioskLink.objects.filter(pk=late.pk).update(expires_at=utc_now() - timedelta(seconds=1))
    kiosk_revoke(lead, revoked.pk)
    assert [screen_of(one) is None for one in (late_secret, revoked_secret, orphan_secret)] == [True, True, False]
    screen = enter(orphan_secret)
    place.desk.memberships.filter(user_id=lead.user_id).update(roles=["viewer"])

    assert screen.get("/monitor/kiosk/panels/").status_code == 410
    assert "has ended" in screen.get("/monitor/kiosk/").content.decode()


def test_a_wrong_secret_opens_nothing(place: Place, lead: Any) -> None:
    kiosk_make(lead, account_id=place.account.pk, label="Hall", days=1)
    for wrong in ("", "short", "A" * 43, "A" * 10_000, "\x00" * 43):
        answer = Client().post("/monitor/kiosk/enter/", {"secret": wrong})
        assert answer.status_code == 410
        assert COOKIE not in answer.cookies
    assert Client().get("/monitor/kiosk/panels/").status_code == 410


def test_the_secret_is_in_no_row_no_trail_and_no_log(place: Place, lead: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = client_of(place.desk.memberships.get(user_id=lead.user_id).user)

    answer = browser.post("/monitor/kiosks/add/", {"label": "Hall", "account": place.account.pk, "days": "7"})
    found = re.search(r"/monitor/kiosk/#([\w-]{43})", answer.content.decode())
    assert found is not None
    enter(found[1]).get("/monitor/kiosk/panels/")

    row = KioskLink.objects.get()
    assert found[1] not in str(vars(row))
    assert found[1] not in str(list(AuditEntry.objects.values_list("data", "target")))
    assert found[1] not in caplog.text
    assert found[1] not in browser.get("/monitor/kiosks/").content.decode()
    assert "no-store" in answer["Cache-Control"]
    # Under "no-referrer" browsers send no origin, and the forms of that page would be refused as forged.
    assert answer["Referrer-Policy"] == "same-origin"


def test_a_link_needs_a_name_a_span_and_an_account_of_the_desk(place: Place, lead: Any) -> None:
    theirs = make_account(make_desk("Rival"))
    for over in ({"label": " "}, {"days": 0}, {"days": DAYS_AT_MOST + 1}):
        with pytest.raises(DeskError):
            kiosk_make(lead, **{"account_id": place.account.pk, "label": "Hall", "days": 1} | over)
    with pytest.raises(NotFound):
        kiosk_make(lead, account_id=theirs.pk, label="Hall", days=1)
    assert not KioskLink.objects.exists()


def test_another_desks_lead_revokes_nothing(place: Place, lead: Any) -> None:
    link, secret = kiosk_make(lead, account_id=place.account.pk, label="Hall", days=1)
    stranger = actor_of(make_person(make_desk("Rival"), "lead"))

    with pytest.raises(NotFound):
        kiosk_revoke(stranger, link.pk)
    assert screen_of(secret) is not None
