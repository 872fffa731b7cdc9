"""People of a desk: invited once, in their roles, and gone when suspended - their orders told, not lost."""

import datetime
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from apps.accounts import invitations, team
from apps.accounts.access import actor_for_session
from apps.accounts.invitations import first_invitation, invitation_accept, invitation_create
from apps.accounts.models import Desk, Invitation, Membership, Notice, User
from apps.audit.models import AuditEntry
from apps.audit.services import verify
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Role
from apps.core.timestamps import utc_now
from tests.support.people import actor_of, client_of, make_desk, make_person

pytestmark = pytest.mark.django_db
GOOD = "four random words here"


@pytest.fixture
def desk() -> Desk:
    return make_desk()


@pytest.fixture
def admin(desk: Desk) -> User:
    return make_person(desk, "admin")


def canceller(seen: list[int]) -> Callable[[Actor, int], int]:
    def cancel(actor: Actor, user_id: int) -> int:
        seen.append(user_id)
        return 2

    return cancel


def joined(token: str, **over: str) -> Any:
    values = {"token": token, "username": "newcomer", "password": GOOD, "password_again": GOOD}
    return Client().post(reverse("join"), values | over)


def test_an_invitation_makes_one_person_with_its_roles(desk: Desk, admin: User) -> None:
    page = client_of(admin).post(
        reverse("invitation_create"), {"display_name": "Ann Lee", "roles": ["trader", "quoter"]}
    )
    link = page.context["link"]
    token = link.partition("#")[2]
    assert link in page.content.decode()
    assert token not in client_of(admin).get(reverse("team")).content.decode(), "shown once"
    assert token not in str(list(Invitation.objects.values_list())), "and kept nowhere"

    first, second = joined(token), joined(token, username="another")

    assert (first.status_code, first["Location"]) == (302, reverse("account_login"))
    assert second.status_code == 422
    assert "was used" in second.content.decode()
    assert not User.objects.filter(username="another").exists()
    membership = Membership.objects.get(user__username="newcomer")
    assert (membership.desk, membership.roles) == (desk, ["quoter", "trader"])
    assert membership.user.display_name == "Ann Lee"
    assert membership.user.check_password(GOOD)
    assert Notice.objects.get(user=admin).kind == "invitation.accepted"
    assert verify(desk.pk).is_intact


@pytest.mark.parametrize("spoiled", ["revoked", "expired", "unknown", "other shape", ""])
def test_an_invitation_that_is_over_makes_nobody(spoiled: str, desk: Desk, admin: User, monkeypatch: Any) -> None:
    made = invitation_create(desk, roles=["trader"], actor=actor_of(admin))
    token = made.secret
    match spoiled:
        case "revoked":
            client_of(admin).post(reverse("invitation_revoke"), {"invitation": made.row.pk})
        case "expired":
            later = utc_now() + datetime.timedelta(hours=73)
            monkeypatch.setattr(invitations, "utc_now", lambda: later)
        case "unknown":
            token = "kdi_" + "A" * 43
        case _:
            token = spoiled

    answer = joined(token)

    assert answer.status_code == 422
    assert "Ask for a new one" in answer.content.decode()
    assert not User.objects.filter(username="newcomer").exists()


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password": "password123", "password_again": "password123"}, "too common"),
        ({"password_again": "another"}, "not the same"),
        ({"username": "a b"}, "Letters, digits"),
        ({"username": ""}, "user name"),
    ],
)
def test_a_bad_password_or_name_costs_no_invitation(over: dict[str, str], words: str, desk: Desk) -> None:
    made = invitation_create(desk, roles=["trader"])

    answer = joined(made.secret, **over)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    for typed in (GOOD, "password123"):
        assert typed not in answer.content.decode(), "a password is not shown again"
    assert joined(made.secret).status_code == 302


def test_a_taken_name_costs_no_invitation(desk: Desk) -> None:
    make_person(desk, "viewer", username="taken")
    made = invitation_create(desk, roles=["trader"])

    with pytest.raises(DeskError, match="taken"):
        invitation_accept(made.secret, username="taken", password=GOOD)

    assert invitation_accept(made.secret, username="free", password=GOOD).username == "free"


def test_an_invitation_is_mailed_where_mail_is_set_up(settings: Any, admin: User) -> None:
    settings.EMAIL_HOST = "localhost"

    page = client_of(admin).post(
        reverse("invitation_create"), {"display_name": "Ann", "email": "ann@example.org", "roles": ["viewer"]}
    )

    assert page.context["link"] in mail.outbox[0].body
    assert "was mailed to ann@example.org" in page.content.decode()


def test_who_does_not_manage_people_neither_invites_nor_sees_how_others_sign_in(desk: Desk) -> None:
    for role in set(Role) - {Role.ADMIN}:
        person = make_person(desk, role)
        with pytest.raises(NotAllowed):
            invitation_create(desk, roles=["viewer"], actor=actor_of(person))
    viewer = client_of(make_person(desk, "viewer")).get(reverse("team")).content.decode()
    assert "Second factor</th>" not in viewer
    assert "Invite a person" not in viewer
    assert "<form" not in viewer.partition('id="main"')[2].partition("</main>")[0], "no control for a viewer"


def test_an_admin_of_another_desk_reaches_nobody_here(desk: Desk) -> None:
    person, stranger = make_person(desk, "trader"), actor_of(make_person(make_desk(), "admin"))

    for act in (team.person_get, team.person_sign_out):
        with pytest.raises(NotFound):
            act(stranger, person.pk)
    with pytest.raises(NotFound):
        team.person_suspend(stranger, person.pk, cancel_orders=False)
    with pytest.raises(NotAllowed):
        invitation_create(desk, roles=["viewer"], actor=stranger)


def test_the_command_line_makes_the_first_admin_and_no_default_account_exists(settings: Any) -> None:
    assert not User.objects.exists()
    out = StringIO()

    call_command("desk_admin", "Root", stdout=out)

    assert not User.objects.exists(), "nobody before the link is used"
    address, _, token = out.getvalue().splitlines()[-1].partition("#")
    assert address == f"{settings.PUBLIC_ORIGINS[0]}{reverse('join')}"
    assert joined(token).status_code == 302
    assert Membership.objects.get().roles == ["admin", "vault-admin"]


def test_each_start_without_people_gives_a_new_link_and_ends_the_old_one() -> None:
    first, second = first_invitation("Desk"), first_invitation("Desk")
    assert first is not None
    assert second is not None

    assert joined(first.secret).status_code == 422
    assert joined(second.secret).status_code == 302
    assert first_invitation("Desk") is None


def test_a_suspended_person_is_out_and_the_leads_know_what_is_left(desk: Desk, admin: User, monkeypatch: Any) -> None:
    lead, trader = make_person(desk, "lead"), make_person(desk, "trader")
    browser = client_of(trader)
    key = browser.session.session_key or ""
    assert actor_for_session(trader.pk, key) is not None
    cancelled: list[int] = []
    monkeypatch.setattr(team, "left_working", [lambda desk_id, user_id: ["3 working orders"]])
    monkeypatch.setattr(team, "work_cancellers", [canceller(cancelled)])
    page = client_of(admin).get(reverse("person", args=[trader.pk])).content.decode()
    assert "3 working orders" in page
    assert "Cancel their orders too" not in page, "an admin may not cancel orders"

    client_of(admin).post(reverse("person_suspend", args=[trader.pk]))

    assert actor_for_session(trader.pk, key) is None
    assert browser.get(reverse("preferences")).status_code == 302
    assert cancelled == [], "never silently"
    notice = Notice.objects.get(user=lead)
    assert "3 working orders are still there; nothing was cancelled" in notice.text
    client_of(admin).post(reverse("person_resume", args=[trader.pk]))
    assert Membership.objects.get(user=trader).is_active


def test_cancelling_with_a_suspension_is_chosen_and_needs_the_right(desk: Desk, admin: User, monkeypatch: Any) -> None:
    trader, head = make_person(desk, "trader"), make_person(desk, "admin", "lead")
    cancelled: list[int] = []
    monkeypatch.setattr(team, "work_cancellers", [canceller(cancelled)])
    url = reverse("person_suspend", args=[trader.pk])

    assert client_of(admin).post(url, {"cancel_orders": "1"}).status_code == 403
    assert Membership.objects.get(user=trader).is_active
    client_of(head).post(url, {"cancel_orders": "1"})

    assert cancelled == [trader.pk]
    assert not Membership.objects.get(user=trader).is_active


def test_nobody_suspends_themselves_and_the_last_admin_stays(desk: Desk, admin: User) -> None:
    browser = client_of(admin)

    own = browser.post(reverse("person_suspend", args=[admin.pk]))
    lowered = browser.post(reverse("person_roles", args=[admin.pk]), {"roles": ["viewer"]})

    assert "Nobody suspends themselves" in own.content.decode()
    assert "last admin" in lowered.content.decode()
    assert Membership.objects.get(user=admin).roles == ["admin"]
    make_person(desk, "admin")
    assert browser.post(reverse("person_roles", args=[admin.pk]), {"roles": ["viewer"]}).status_code == 302


def test_a_person_who_works_on_another_desk_too_keeps_their_sessions(desk: Desk, admin: User) -> None:
    other, trader = make_desk(), make_person(desk, "trader")
    Membership.objects.create(user=trader, desk=other, roles=["trader"])
    browser = client_of(trader)

    client_of(admin).post(reverse("person_suspend", args=[trader.pk]))

    actor = actor_for_session(trader.pk, browser.session.session_key or "")
    assert actor is not None
    assert actor.desk_id == other.pk


@pytest.mark.parametrize(
    "name",
    ["invitation_create", "person_roles", "person_grant_add", "person_grant_remove", "person_suspend", "person_resume"],
)
def test_sensitive_acts_ask_again_who_is_there(name: str, desk: Desk, admin: User) -> None:
    trader = make_person(desk, "trader")
    browser = client_of(admin, is_fresh=False)
    before = AuditEntry.objects.count()

    answer = browser.post(
        reverse(name, args=[] if name == "invitation_create" else [trader.pk]), {"display_name": "x", "roles": "admin"}
    )

    assert answer["Location"] == f"{reverse('account_reauthenticate')}?next={reverse('team').replace('/', '%2F')}"
    assert AuditEntry.objects.count() == before
    assert Membership.objects.get(user=trader).roles == ["trader"]


def test_proof_of_who_is_there_lasts_five_minutes(admin: User, monkeypatch: Any) -> None:
    browser = client_of(admin)
    at = browser.session["account_authentication_methods"][0]["at"]
    statuses = []
    for age in (0, 299, 301):
        monkeypatch.setattr("apps.accounts.step_up.time.time", lambda age=age: at + age)
        statuses.append(browser.post(reverse("invitation_create"), {"roles": []}).status_code)

    assert statuses == [422, 422, 302]
