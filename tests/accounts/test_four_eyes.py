"""Four eyes: nobody approves their own; nothing unseen, twice, late, or without the right."""

import datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.urls import reverse

from apps.accounts import four_eyes, invitations, services
from apps.accounts.access import actor_for_session
from apps.accounts.four_eyes import ApprovalNeeded, change_approve, change_decline, seen_hash
from apps.accounts.four_eyes_kinds import factor_reset, policy_set
from apps.accounts.models import ChangeRequest, Desk, DeskPolicy, Membership, Notice, User
from apps.audit.models import AuditEntry
from apps.audit.services import verify
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission, Role, permissions_of
from apps.core.timestamps import utc_now
from tests.support.people import actor_of, client_of, make_desk, make_person

pytestmark = pytest.mark.django_db
State = ChangeRequest.State


@pytest.fixture
def desk() -> Desk:
    desk = make_desk()
    policy_set(actor_of(make_person(desk, "lead")), ["roles"])
    return desk


@pytest.fixture
def author(desk: Desk) -> User:
    return make_person(desk, "admin")


@pytest.fixture
def other(desk: Desk) -> User:
    return make_person(desk, "lead")


@pytest.fixture
def trader(desk: Desk) -> User:
    return make_person(desk, "trader")


def asked(author: User, trader: User, roles: tuple[str, ...] = ("lead", "trader")) -> ChangeRequest:
    browser = client_of(author)
    browser.post(reverse("person_roles", args=[trader.pk]), {"roles": roles})
    return ChangeRequest.objects.latest("pk")


def roles_of(person: User) -> list[str]:
    return list(Membership.objects.get(user=person).roles)


def approve(other: User, row: ChangeRequest, seen: str | None = None) -> Any:
    return change_approve(actor_of(other), row.pk, hash_seen=seen_hash(row) if seen is None else seen)


def test_a_role_is_added_by_two_people_and_told_to_both(desk: Desk, author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    assert roles_of(trader) == ["trader"]
    assert Notice.objects.filter(user=other, kind="approval.asked").exists()
    page = client_of(other).get(reverse("approvals"))
    assert f"Roles of {trader.username}: lead, trader" in page.content.decode()

    client_of(other).post(reverse("approval_approve"), {"request": row.pk, "seen": page.context["waiting"][0]["seen"]})

    assert roles_of(trader) == ["lead", "trader"]
    row.refresh_from_db()
    assert (row.state, row.decided_by_id) == (State.USED, other.pk)
    assert Notice.objects.filter(user=author, kind="approval.decided").exists()
    written = AuditEntry.objects.filter(target=f"change_request:{row.pk}").order_by("sequence")
    assert [(entry.action, entry.actor_id) for entry in written] == [
        ("accounts.change.asked", author.pk),
        ("accounts.change.used", other.pk),
    ]
    changed = AuditEntry.objects.get(action="accounts.roles.changed")
    assert changed.actor_id == author.pk, "with the author's rights, in the author's name"
    assert verify(desk.pk).is_intact


def test_taking_a_role_away_waits_for_nobody(author: User, trader: User) -> None:
    client_of(author).post(reverse("person_roles", args=[trader.pk]), {"roles": []})

    assert roles_of(trader) == []
    assert not ChangeRequest.objects.exists()


def test_nobody_approves_their_own_with_whatever_roles(desk: Desk, trader: User) -> None:
    both = make_person(desk, "admin", "lead")
    row = asked(both, trader)

    with pytest.raises(DeskError, match="somebody else"):
        approve(both, row)

    assert roles_of(trader) == ["trader"]
    with pytest.raises(IntegrityError), transaction.atomic():
        ChangeRequest.objects.filter(pk=row.pk).update(decided_by=both)


@pytest.mark.parametrize("role", sorted(set(Role)))
def test_who_may_approve_is_in_the_table(role: Role, desk: Desk, author: User, trader: User) -> None:
    row, person = asked(author, trader), make_person(desk, role)

    if Permission.CHANGE_APPROVE in permissions_of([role]):
        approve(person, row)
        assert roles_of(trader) == ["lead", "trader"]
    else:
        with pytest.raises(NotAllowed):
            approve(person, row)
        assert roles_of(trader) == ["trader"]


def test_another_desk_sees_and_decides_nothing(author: User, trader: User) -> None:
    row, stranger = asked(author, trader), actor_of(make_person(make_desk(), *Role))

    with pytest.raises(NotFound):
        change_approve(stranger, row.pk, hash_seen=seen_hash(row))
    with pytest.raises(NotFound):
        change_decline(stranger, row.pk)

    assert four_eyes.changes_listed(stranger) == ([], [])


def test_an_approval_works_once(author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    seen = seen_hash(row)
    approve(other, row)
    services.roles_set(row.desk, user_id=trader.pk, roles=["viewer"])

    with pytest.raises(DeskError, match="decided already"):
        approve(other, row, seen)
    with pytest.raises(DeskError, match="decided already"):
        change_decline(actor_of(other), row.pk)

    assert roles_of(trader) == ["viewer"]


def test_what_moved_since_is_shown_and_has_to_be_seen(desk: Desk, author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    seen_before = seen_hash(row)
    services.roles_set(desk, user_id=trader.pk, roles=["analyst"])

    with pytest.raises(DeskError, match="not what you were shown"):
        approve(other, row, seen_before)

    page = client_of(other).get(reverse("approvals"))
    assert page.context["waiting"][0]["facts"] == [{"name": "roles", "before": "trader", "now": "analyst"}]
    assert "Moved since" in page.content.decode()
    assert roles_of(trader) == ["analyst"]
    approve(other, row)
    assert roles_of(trader) == ["lead", "trader"]


@pytest.mark.parametrize("column", ["params", "before", "kind", "asked_by_id"])
def test_a_request_that_was_edited_is_refused(column: str, author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    somebody = make_person(row.desk, "admin")
    values: dict[str, Any] = {
        "params": {"user_id": trader.pk, "roles": ["admin"]},
        "before": {"roles": "admin"},
        "kind": "factor",
        "asked_by_id": somebody.pk,
    }
    ChangeRequest.objects.filter(pk=row.pk).update(**{column: values[column]})
    row.refresh_from_db()

    with pytest.raises(DeskError, match="not what you were shown"):
        approve(other, row)

    assert roles_of(trader) == ["trader"]


def test_a_request_expires(author: User, other: User, trader: User, monkeypatch: Any) -> None:
    row = asked(author, trader)
    later = utc_now() + datetime.timedelta(hours=25)
    monkeypatch.setattr(four_eyes, "utc_now", lambda: later)

    with pytest.raises(DeskError, match="expired"):
        approve(other, row)

    assert roles_of(trader) == ["trader"]
    assert "Expired" in client_of(other).get(reverse("approvals")).content.decode()


def test_an_author_who_lost_the_right_changes_nothing(desk: Desk, author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    make_person(desk, "admin")
    services.roles_set(desk, user_id=author.pk, roles=["viewer"])

    done = approve(other, row)

    assert done.state == State.FAILED
    assert "may no longer" in done.words
    assert roles_of(trader) == ["trader"]


def test_a_change_that_cannot_be_done_any_more_ends_with_the_reason(desk: Desk, author: User, other: User) -> None:
    gone = make_person(desk, "trader")
    row = asked(author, gone)
    Membership.objects.filter(user=gone).delete()

    done = approve(other, row)

    assert done.state == State.FAILED
    assert done.words == "This person is not on this desk."


def test_the_same_wish_waits_once_and_can_be_withdrawn(author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    assert asked(author, trader) == row

    client_of(author).post(reverse("approval_decline"), {"request": row.pk})

    row.refresh_from_db()
    assert (row.state, row.decided_by) == (State.DECLINED, None)
    again = asked(author, trader)
    assert again != row
    client_of(other).post(reverse("approval_decline"), {"request": again.pk})
    again.refresh_from_db()
    assert again.decided_by == other


def test_an_approval_does_not_pass_for_another_change(desk: Desk, author: User, other: User, trader: User) -> None:
    row = asked(author, trader)
    approve(other, row)
    row.refresh_from_db()

    with pytest.raises(DeskError, match="something else"):
        services.roles_set(desk, user_id=trader.pk, roles=["admin"], actor=actor_of(author), approval=row)


def test_an_invitation_is_no_way_around(desk: Desk, author: User) -> None:
    with pytest.raises(DeskError, match="invite as viewer"):
        invitations.invitation_create(desk, roles=["trader"], actor=actor_of(author))

    assert invitations.invitation_create(desk, roles=["viewer"], actor=actor_of(author)).row.roles == ["viewer"]


def test_more_eyes_count_at_once_and_fewer_need_a_second_person(desk: Desk, other: User) -> None:
    first = make_person(desk, "lead")
    policy_set(actor_of(first), ["limits", "roles"])

    client_of(first).post(reverse("policy_save"), {"four_eyes": []})

    row = ChangeRequest.objects.get(kind="policy")
    assert DeskPolicy.objects.get(desk=desk).four_eyes == ["limits", "roles"]
    approve(other, row)
    assert DeskPolicy.objects.get(desk=desk).four_eyes == []


# --- a lost second factor -------------------------------------------------------------------------------


def with_factor(person: User) -> User:
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": "sealed"})
    return person


def test_a_lost_factor_is_taken_away_by_two_people_on_every_desk(author: User, other: User, trader: User) -> None:
    DeskPolicy.objects.all().delete()
    browser = client_of(with_factor(trader))
    password = trader.password
    client_of(author).post(reverse("person_factor_reset", args=[trader.pk]))
    assert Authenticator.objects.filter(user=trader).exists()
    row = ChangeRequest.objects.get(kind="factor")

    approve(other, row)

    assert not Authenticator.objects.filter(user=trader).exists()
    assert actor_for_session(trader.pk, browser.session.session_key or "") is None, "whoever is in is out"
    assert User.objects.get(pk=trader.pk).password == password, "nobody sets a password for somebody else"
    assert Notice.objects.filter(user=trader, kind="factor.reset").exists()
    assert AuditEntry.objects.get(action="accounts.factor.reset").data == {"factors": 1, "approval": row.pk}


def test_one_admin_alone_takes_no_factor_away(desk: Desk, author: User, trader: User) -> None:
    with_factor(trader)

    with pytest.raises(ApprovalNeeded):
        factor_reset(actor_of(author), trader, desk_id=desk.pk)
    for person in (make_person(desk, "lead"), make_person(make_desk(), "admin")):
        with pytest.raises(NotAllowed):
            factor_reset(actor_of(person), trader, desk_id=desk.pk)

    assert Authenticator.objects.filter(user=trader).exists()


def test_the_command_line_helps_when_nobody_else_can(trader: User) -> None:
    with_factor(trader)

    call_command("factor_reset", trader.username, verbosity=0)

    assert not Authenticator.objects.filter(user=trader).exists()
    assert AuditEntry.objects.get(action="accounts.factor.reset").actor_id is None
    with pytest.raises(CommandError, match="no second factor"):
        call_command("factor_reset", trader.username)
    with pytest.raises(CommandError, match="no such person"):
        call_command("factor_reset", "nobody")


def test_a_viewer_sees_what_is_wanted_and_has_no_control(desk: Desk, author: User, trader: User) -> None:
    asked(author, trader)

    page = client_of(make_person(desk, "viewer")).get(reverse("approvals")).content.decode()

    main = page.partition('id="main"')[2].partition("</main>")[0]
    assert "Roles that are added" in main
    assert f"Roles of {trader.username}" not in main, "what others ask for is not theirs to see"
    for control in ("<form", "<input", "<button"):
        assert control not in main
