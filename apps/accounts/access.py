"""Who is asking, on which desk, with what selected: read afresh for each request and message."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from apps.accounts.factor_policy import Need, need_of
from apps.accounts.models import Desk, Environment, ExchangeAccount, Membership, User
from apps.accounts.sign_ins import is_idle as session_is_idle
from apps.accounts.sign_ins import is_over as session_is_over
from apps.core.errors import NotFound
from apps.core.permissions import MASKED_VIEWER, Actor, Role
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now

# What a session remembers of the top bar. Checked on each read, so a stale choice selects nothing.
SESSION_DESK = "desk_id"
SESSION_ACCOUNT = "account_id"
SESSION_SUBACCOUNT = "subaccount"
MAX_SUBACCOUNT = 32_767  # what columns hold; how many there may be is the exchange's to say (32 today, 63 announced)


_sessions = Prepared(lambda session_key: Session.objects.filter(session_key=session_key))
_users = Prepared(lambda user_id: User.objects.filter(pk=user_id, is_active=True))
_memberships = Prepared(
    lambda user_id: Membership.objects.filter(user_id=user_id, is_active=True, user__is_active=True).order_by("pk")
)
_desks = Prepared(lambda desk_id: Desk.objects.filter(pk=desk_id))
_accounts = Prepared(lambda desk_id: ExchangeAccount.objects.filter(desk_id=desk_id, is_active=True).order_by("pk"))


@dataclass(frozen=True, slots=True)
class Presence:
    """A member at work: everything that a request or a socket message may rely on."""

    actor: Actor
    membership: Membership
    desk: Desk
    account: ExchangeAccount | None
    subaccount: int


def roles_on(desk: Desk, roles: Iterable[str]) -> frozenset[str]:
    """Return what a member's roles count as: of a viewer alone, less where the desk hides its amounts."""
    given = frozenset(roles)
    return frozenset({MASKED_VIEWER}) if desk.hides_amounts and given == {Role.VIEWER} else given


def roles_of(membership: Membership) -> frozenset[str]:
    """`roles_on` of a row whose desk is not loaded: it is read for viewers only, so that no order waits for it."""
    given = frozenset(membership.roles)
    if given != {Role.VIEWER}:
        return given
    desk = _desks.first(membership.desk_id)
    return frozenset() if desk is None else roles_on(desk, given)


def presence_load(user_id: int, session: Mapping[str, Any]) -> Presence | None:
    """Return the person's presence on their selected desk (or first).

    None without a membership, and without the second factor that the desk wants of them.
    """
    presence, need = presence_judged(user_id, session)
    return presence if need is Need.NOTHING else None


def presence_judged(user_id: int, session: Mapping[str, Any]) -> tuple[Presence | None, Need]:
    """Return who the person would be there, and what they still lack to be it."""
    chosen = session.get(SESSION_DESK)
    membership = next(iter(sorted(_memberships(user_id), key=lambda row: row.desk_id != chosen)), None)
    desk = None if membership is None else _desks.first(membership.desk_id)
    if membership is None or desk is None:
        return None, Need.NOTHING
    membership.desk = desk
    account = _account_selected(membership.desk_id, session.get(SESSION_ACCOUNT))
    subaccount = session.get(SESSION_SUBACCOUNT, 0)
    if account is None or not isinstance(subaccount, int) or not 0 <= subaccount <= MAX_SUBACCOUNT:
        subaccount = 0
    actor = Actor(
        user_id=user_id,
        desk_id=membership.desk_id,
        roles=roles_on(desk, membership.roles),
        account_id=account.pk if account else None,
        subaccount=subaccount,
    )
    presence = Presence(actor, membership, desk, account, subaccount)
    return presence, need_of(desk, membership.roles, user_id, session)


def _account_selected(desk_id: int, chosen: object) -> ExchangeAccount | None:
    """Return the chosen account while it is the desk's; else its first paper account; else any."""
    accounts = _accounts(desk_id)
    order = list(Environment.values)
    accounts.sort(key=lambda row: (row.pk != chosen, order.index(row.environment), row.pk))
    return accounts[0] if accounts else None


def actor_for_session(user_id: int, session_key: str) -> Actor | None:
    """Return who a browser socket speaks for now, or None: signed out, expired, idle, suspended, no desk, no factor.

    Synchronous; four small queries. Sockets call it on connect, for each message, and every few
    seconds while open (docs/realtime.md).
    """
    if not session_key:
        return None
    stored = _session_load(session_key)
    if str(stored.get(SESSION_KEY)) != str(user_id):
        return None
    if session_is_over(stored) or session_is_idle(session_key):
        return None
    if stored.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = _users.first(user_id)
    # The hash changes with the password: other sessions end then.
    if user is None or not constant_time_compare(stored.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    presence = presence_load(user_id, stored)
    return presence.actor if presence else None


def _session_load(session_key: str) -> Mapping[str, Any]:
    """Return what a session in SQL keeps, as its store does; empty when it is gone or expired."""
    row = _sessions.first(session_key)
    return {} if row is None or row.expire_date <= utc_now() else row.get_decoded()


def accounts_visible(actor: Actor) -> QuerySet[ExchangeAccount]:
    """The active accounts of the actor's desk."""
    return ExchangeAccount.objects.filter(desk_id=actor.desk_id, is_active=True).order_by("environment", "name")


def account_get(actor: Actor, account_id: int) -> ExchangeAccount:
    """Raises NotFound for another desk's account exactly as for one that does not exist."""
    account = next((one for one in _accounts(actor.desk_id) if one.pk == account_id), None)
    if account is None:
        raise NotFound("This account does not exist, or it belongs to another desk.")
    return account


def account_is_visible(actor: Actor, account_id: int) -> bool:
    """Whether topics and rows of this account are the actor's to see."""
    return any(one.pk == account_id for one in _accounts(actor.desk_id))
