"""The kill switch as people see it: on every page, on its own page, at the command line."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core.permissions import Role
from apps.monitoring.models import KillRun
from apps.monitoring.services import kill as kill_service
from apps.monitoring.services.kill import kill_in_force, kill_pull
from tests.orders.conftest import Place
from tests.support.people import client_of, make_person


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_service.queue, "enqueue_on_commit", lambda *args: None)


def person(place: Place, *roles: str, name: str = "") -> Any:
    return client_of(make_person(place.desk, *roles, username=name))


def clean(place: Place) -> KillRun:
    run = kill_pull(place.trader, why="drill <b>")
    assert run is not None
    KillRun.objects.update(clean_at=run.pause.set_at, looked_at=run.pause.set_at, passes=1)
    return run


def test_a_viewer_sees_the_state_and_has_no_control(place: Place) -> None:
    viewer = person(place, "viewer")
    clean(place)

    page = viewer.get("/monitor/kill/").content.decode()

    assert "Kill switch pulled" in page
    assert "drill &lt;b&gt;" in page
    main = page[page.index("data-kill-page") :]
    assert "<form" not in main[: main.index("kill-past")]
    assert "data-kill-go" not in page
    for path in ("/monitor/kill/pull/", "/monitor/kill/release/"):
        assert viewer.post(path).status_code == 403


def test_every_page_says_that_it_is_pulled(place: Place) -> None:
    trader = person(place, "trader")
    assert "data-kill-banner hidden" in trader.get("/markets/").content.decode()

    clean(place)

    page = trader.get("/markets/").content.decode()
    assert "data-kill-banner hidden" not in page
    assert "Nothing is left at the exchange." in page


def test_a_trader_pulls_it_with_a_form_and_a_lead_releases_it(place: Place) -> None:
    trader, lead = person(place, "trader"), person(place, "lead")

    answer = trader.post("/monitor/kill/pull/", {"why": "runaway"}, follow=True)
    run = kill_in_force(place.desk.pk)

    assert run is not None
    assert run.pause.why == "runaway"
    assert "says what is left" in answer.content.decode()
    assert trader.post("/monitor/kill/release/", {"why": "fine"}).status_code == 403
    silent = lead.post("/monitor/kill/release/", {"why": ""})
    early = lead.post("/monitor/kill/release/", {"why": "fine again"})
    assert (silent.status_code, early.status_code) == (422, 422)
    assert "Something is, or may be, left" in early.content.decode()
    done = lead.post("/monitor/kill/release/", {"why": "fine again", "although_left": "yes"}, follow=True)
    assert "Orders pass again" in done.content.decode()
    assert kill_in_force(place.desk.pk) is None
    assert "fine again" in trader.get("/monitor/kill/").content.decode()


def test_the_page_needs_a_form_and_a_token(place: Place) -> None:
    trader = client_of(make_person(place.desk, "trader"), enforce_csrf_checks=True)

    assert trader.get("/monitor/kill/pull/").status_code == 405
    assert trader.post("/monitor/kill/pull/", {"why": "forged"}).status_code == 403
    assert kill_in_force(place.desk.pk) is None


def test_the_release_at_the_command_line_needs_a_lead_and_a_reason(place: Place) -> None:
    make_person(place.desk, Role.TRADER, username="terry")
    make_person(place.desk, Role.LEAD, username="lena")
    clean(place)

    for by, why in (("terry", "all good"), ("nobody", "all good"), ("lena", "  ")):
        with pytest.raises(CommandError):
            call_command("release", desk=place.desk.slug, by=by, why=why)
    with pytest.raises(CommandError, match="There is no desk"):
        call_command("release", desk="nowhere", by="lena", why="all good")
    said = io.StringIO()
    call_command("release", desk=place.desk.slug, by="lena", why="all good", stdout=said)

    assert "released" in said.getvalue()
    assert kill_in_force(place.desk.pk) is None
