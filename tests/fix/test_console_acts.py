"""Each act of the console on a session: its own permission, a reason on the trail, and what the gateway gets of it."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import FIX_ACTS, ROLE_PERMISSIONS, Actor, Permission, Role
from apps.fix import services
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind
from apps.fix.engine.session import Session, SessionConfig
from apps.fix.engine.store import MemoryStore
from apps.fix.models import FixAsk, FixSession
from apps.fix.records import asks_take
from tests.orders.conftest import Place
from tests.support.people import actor_of, make_person

WHY = "the line looked slow"
ACTS: dict[Permission, Callable[..., Any]] = {
    Permission.FIX_START: services.session_start,
    Permission.FIX_STOP: services.session_stop,
    Permission.FIX_LOGON: services.session_log_on,
    Permission.FIX_LOGOUT: services.session_log_out,
    Permission.FIX_RESET: services.session_reset,
    Permission.FIX_TEST: services.session_test,
    Permission.FIX_RESEND: services.session_resend,
}


@pytest.fixture
def operator(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "operator"))


@pytest.fixture
def session(place: Place, operator: Actor) -> FixSession:
    """A session as the gateway shows it while it asks for missing messages."""
    row = services.session_define(operator, place.account.pk, "rt")
    FixSession.objects.filter(pk=row.pk).update(is_wanted=True, state="recovering", next_in=5, gap_to=9)
    row.refresh_from_db()
    return row


def actions() -> list[str]:
    return list(
        AuditEntry.objects.filter(action__startswith="fix.session.").order_by("pk").values_list("action", flat=True)
    )


def test_the_operator_alone_has_the_rights_on_sessions() -> None:
    assert {role for role in Role if ROLE_PERMISSIONS[role] & FIX_ACTS} == {Role.OPERATOR}
    assert ROLE_PERMISSIONS[Role.OPERATOR] >= FIX_ACTS


@pytest.mark.parametrize("permission", ACTS, ids=str)
def test_an_act_needs_its_own_right_and_no_other(
    session: FixSession, operator: Actor, permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Actor, "may", lambda self, asked: asked in FIX_ACTS - {permission})
    with pytest.raises(NotAllowed):
        ACTS[permission](operator, session.pk, why=WHY)
    assert actions() == ["fix.session.defined"]

    monkeypatch.setattr(Actor, "may", lambda self, asked: asked is permission)
    if permission is Permission.FIX_LOGON:
        FixSession.objects.update(state="waiting")
    ACTS[permission](operator, session.pk, why=WHY)
    last = AuditEntry.objects.filter(action__startswith="fix.session.").order_by("pk").last()
    assert last is not None
    assert (last.actor_id, last.data["why"]) == (operator.user_id, WHY)


@pytest.mark.parametrize("permission", ACTS, ids=str)
def test_without_a_reason_nothing_is_done(session: FixSession, operator: Actor, permission: Permission) -> None:
    FixSession.objects.update(state="waiting" if permission is Permission.FIX_LOGON else "recovering")
    with pytest.raises(DeskError) as refusal:
        ACTS[permission](operator, session.pk, why=" x ")

    assert refusal.value.code == "why_missing"
    assert actions() == ["fix.session.defined"]
    assert FixAsk.objects.count() == 0


@pytest.mark.parametrize(
    ("act", "state", "code"),
    [
        (services.session_test, {"state": "waiting"}, "fix_not_logged_on"),
        (services.session_log_out, {"state": "connecting"}, "fix_not_logged_on"),
        (services.session_log_on, {"state": "logged_on"}, "fix_logged_on"),
        (services.session_log_on, {"is_wanted": False, "state": "stopped"}, "fix_stopped"),
        (services.session_resend, {"gap_to": None}, "fix_no_gap"),
        (services.session_resend, {"kind": "nr"}, "fix_not_retained"),
    ],
)
def test_what_makes_no_sense_now_is_refused_in_words(
    session: FixSession, operator: Actor, act: Callable[..., Any], state: dict[str, Any], code: str
) -> None:
    FixSession.objects.update(**state)
    with pytest.raises(DeskError) as refusal:
        act(operator, session.pk, why=WHY)

    assert refusal.value.code == code
    assert refusal.value.text


def test_logging_out_has_a_running_session_connect_anew(session: FixSession, operator: Actor) -> None:
    before = session.changed_at
    row = services.session_log_out(operator, session.pk, why=WHY)

    assert row.is_wanted
    assert before is not None
    assert row.changed_at is not None
    assert row.changed_at > before


def test_the_gateway_takes_what_was_asked_once(session: FixSession, operator: Actor) -> None:
    services.session_test(operator, session.pk, why=WHY)
    services.session_resend(operator, session.pk, why=WHY)

    assert asks_take() == [(session.pk, "test"), (session.pk, "resend")]
    assert asks_take() == []


def test_asking_again_without_a_gap_or_a_logon_sends_nothing() -> None:
    session = Session(SessionConfig(Kind.RT, "key", LogonFlags()), MemoryStore(), lambda text: "c2ln")
    assert session.ask_again(1_000) == []
    assert session.test(1_000) == []
