"""The trail as an auditor reads it: search, stories, check, export; and that nothing happens without a row."""

import csv
import datetime
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from apps.accounts import invitations, services, team, trail
from apps.accounts.models import Desk, User
from apps.accounts.tasks import audit_chain_check
from apps.audit import selectors
from apps.audit.models import AuditEntry, ChainCheck
from apps.audit.selectors import PAGE, Told, Wanted
from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Role
from apps.core.timestamps import utc_now
from apps.vault import services as vault
from tests.architecture.test_permissions import everything_stored
from tests.audit.test_chain import TABLE, tamper
from tests.support.people import actor_of, client_of, make_account, make_desk, make_key, make_person, vault_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def place(settings: Any, tmp_path: Any, monkeypatch: Any) -> None:
    settings.AUDIT_WITNESS_FILE = tmp_path / "heads.ndjson"
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *args, **kwargs: None)


@pytest.fixture
def desk() -> Desk:
    return make_desk()


@pytest.fixture
def auditor(desk: Desk) -> User:
    return make_person(desk, "auditor")


def said(page: Any) -> list[int]:
    return [row["sequence"] for row in page.context["rows"]]


def test_the_trail_is_searched_by_person_action_object_and_time(desk: Desk, auditor: User) -> None:
    trader = make_person(desk, "trader")
    early = datetime.datetime(2026, 1, 2, 9, tzinfo=datetime.UTC)
    first = record(
        "orders.intent.submitted", actor_id=trader.pk, desk_id=desk.pk, target="order_intent:17", at=early
    ).sequence
    second = record("orders.cancel.submitted", actor_id=trader.pk, desk_id=desk.pk, target="cancel_intent:1").sequence
    third = record("rfq.request.asked", actor_id=None, desk_id=desk.pk, target="order_intent:170").sequence
    record("orders.intent.submitted", actor_id=trader.pk, desk_id=make_desk().pk, target="order_intent:17")
    browser, url = client_of(auditor), reverse("trail")

    assert said(browser.get(url, {"person": trader.pk})) == [second, first]
    assert said(browser.get(url, {"person": 0}))[0] == third
    assert said(browser.get(url, {"action": "orders."})) == [second, first]
    assert said(browser.get(url, {"object": "order_intent:17"})) == [first]
    assert said(browser.get(url, {"object": "order_intent"})) == [third, first]
    assert said(browser.get(url, {"until": "2026-01-02T10:00"})) == [first]
    assert first not in said(browser.get(url, {"since": "2026-01-02T10:00"}))
    assert browser.get(url, {"person": "x", "since": "tomorrow", "before": "-1"}).status_code == 200


def test_pages_follow_by_sequence_while_the_trail_grows(desk: Desk, auditor: User) -> None:
    for number in range(PAGE + 5):
        record("orders.intent.submitted", actor_id=None, desk_id=desk.pk, data={"n": number})
    browser = client_of(auditor)
    page = browser.get(reverse("trail"), {"action": "orders."})
    record("orders.intent.submitted", actor_id=None, desk_id=desk.pk)

    following = browser.get(f"{reverse('trail')}?{page.context['older']}")

    assert len(said(page)) == PAGE
    assert said(following) == [said(page)[-1] - 1 - n for n in range(5)]
    assert following.context["older"] == ""


def test_an_object_shows_what_the_books_know(desk: Desk, auditor: User, monkeypatch: Any) -> None:
    step = Told(utc_now(), "Filled 10 at 31¢", "trade-abc", "exchange")
    monkeypatch.setattr(selectors, "stories", {"order_intent": lambda actor, number: [step] if number == 17 else []})

    page = client_of(auditor).get(reverse("trail"), {"object": "order_intent:17"}).content.decode()

    assert "Filled 10 at 31¢" in page
    assert "trade-abc" in page
    assert selectors.object_story(actor_of(auditor), "order_intent:x") == []


def test_what_people_typed_is_text_on_the_page(desk: Desk, auditor: User) -> None:
    record("accounts.person.added", actor_id=None, desk_id=desk.pk, data={"name": "<script>alert(1)</script>"})

    entry = AuditEntry.objects.latest("pk")
    page = client_of(auditor).get(reverse("trail")).content.decode()

    assert f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03d}" in page
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_file_of_the_trail_runs_in_no_spreadsheet_and_is_written_down(desk: Desk, auditor: User) -> None:
    record("orders.intent.submitted", actor_id=None, desk_id=desk.pk, target="=cmd|' /C calc'!A0")
    record("orders.intent.submitted", actor_id=None, desk_id=make_desk().pk, target="other:1")
    browser = client_of(auditor)

    answer = browser.post(reverse("trail_export"), {"action": "orders."})

    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert rows[0] == list(trail.COLUMNS)
    assert [row[5] for row in rows[1:]] == ["'=cmd|' /C calc'!A0"]
    taken = AuditEntry.objects.get(action="audit.trail.exported")
    assert (taken.actor_id, taken.data["action"]) == (auditor.pk, "orders.")
    assert browser.get(reverse("trail_export")).status_code == 405


def test_a_check_says_what_it_found(desk: Desk, auditor: User) -> None:
    browser = client_of(auditor)
    browser.post(reverse("trail_check"))
    browser.post(reverse("trail_check"))
    check = ChainCheck.objects.get()
    assert "Running" in browser.get(reverse("trail_checks")).content.decode()

    audit_chain_check(check.pk)

    assert "Intact" in browser.get(reverse("trail_checks"), headers={"HX-Request": "true"}).content.decode()
    tamper(f"UPDATE {TABLE} SET action = 'x.y.z' WHERE desk_id = {desk.pk} AND sequence = 2")
    browser.post(reverse("trail_check"))
    newest = ChainCheck.objects.order_by("-pk").first()
    assert newest is not None
    audit_chain_check(newest.pk)
    audit_chain_check(newest.pk)
    page = browser.get(reverse("trail_checks")).content.decode()
    assert "entry 2: was changed after it was written" in page


def test_only_an_auditor_reads_the_trail(desk: Desk) -> None:
    for role in set(Role) - {Role.AUDITOR}:
        actor = actor_of(make_person(desk, role))
        for act in (
            lambda actor=actor: selectors.entries_page(actor, Wanted(), before=None),
            lambda actor=actor: trail.check_ask(actor),
            lambda actor=actor: list(trail.export_lines(actor, Wanted())),
        ):
            with pytest.raises(NotAllowed):
                act()


# --- no row, no command -------------------------------------------------------------------------------


def test_nothing_happens_that_the_trail_cannot_take(desk: Desk, auditor: User, settings: Any, tmp_path: Any) -> None:
    vault_in(tmp_path, settings)
    keeper, admin, trader = (make_person(desk, role) for role in ("vault-admin", "admin", "trader"))
    account = make_account(desk)
    key = make_key(actor_of(keeper), account)
    invitation = invitations.invitation_create(desk, roles=["viewer"])
    actor = actor_of(admin)
    acts: list[Callable[[], object]] = [
        lambda: services.person_add(desk, username="new", password="x" * 12, roles=["viewer"], actor=actor),
        lambda: services.roles_set(desk, user_id=trader.pk, roles=["lead"], actor=actor),
        lambda: team.person_suspend(actor, trader.pk, cancel_orders=False),
        lambda: services.account_add(desk, environment="paper", name="Other", actor=actor_of(keeper)),
        lambda: invitations.invitation_create(desk, roles=["viewer"], actor=actor),
        lambda: invitations.invitation_revoke(actor, invitation.row.pk),
        lambda: invitations.invitation_accept(invitation.secret, username="new", password="four random words"),
        lambda: vault.key_revoke(actor_of(keeper), key.pk),
        lambda: make_key(actor_of(keeper), account, purpose="rest_read", scopes=("read",), secret=None),
        lambda: trail.check_ask(actor_of(auditor)),
    ]
    refuse = (
        f"CREATE TRIGGER audit_no_insert BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
        if connection.vendor == "postgresql"
        else f"CREATE TRIGGER audit_no_insert BEFORE INSERT ON {TABLE} BEGIN SELECT RAISE(ABORT, 'unwritable'); END"
    )
    with connection.cursor() as cursor:
        cursor.execute(refuse)
    before = everything_stored()

    for act in acts:
        # Some services take a row that is refused for a name that is taken: refused it is either way.
        with pytest.raises((DatabaseError, DeskError)), transaction.atomic():
            act()

    assert everything_stored() == before
