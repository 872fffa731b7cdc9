"""Who is asking, on which desk, with what selected: read afresh for each request and message."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from apps.accounts.factor_policy import Need, need_of
from apps.accounts.grants import MAX_SUBACCOUNT, all_roles, grants_read, within
from apps.accounts.models import Desk, Environment, ExchangeAccount, Membership, User
from apps.accounts.sign_ins import is_idle as session_is_idle
from apps.accounts.sign_ins import is_over as session_is_over
from apps.accounts.step_up import proofs_of
from apps.core.errors import NotFound
from apps.core.permissions import MASKED_VIEWER, Actor, Permission, Reach, Role
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now

# What a session remembers of the top bar. Checked on each read, so a stale choice selects nothing.
SESSION_DESK = "desk_id"
SESSION_ACCOUNT = "account_id"
SESSION_SUBACCOUNT = "subaccount"


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
    """`roles_on` of a row whose desk is not loaded: it is read for viewers only, so that no order waits for it.

    Who has a role on an account and none on the desk sees public markets beside it, as a masked viewer does.
    """
    given = frozenset(membership.roles)
    if not given and membership.grants:
        return frozenset({MASKED_VIEWER})
    if given != {Role.VIEWER}:
        return given
    desk = _desks.first(membership.desk_id)
    return frozenset() if desk is None else roles_on(desk, given)


def actor_from(membership: Membership) -> Actor:
    """What a member may do, with nothing selected."""
    return Actor(
        user_id=membership.user_id,
        desk_id=membership.desk_id,
        roles=roles_of(membership),
        grants=grants_read(membership.grants),
    )


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
    roles = roles_on(desk, membership.roles)
    grants = grants_read(membership.grants)
    if grants and not roles:
        roles = frozenset({MASKED_VIEWER})
    nowhere = Actor(user_id=user_id, desk_id=membership.desk_id, roles=roles, grants=grants)
    account = _account_selected(nowhere, session.get(SESSION_ACCOUNT))
    subaccount = session.get(SESSION_SUBACCOUNT, 0)
    if account is None or not isinstance(subaccount, int) or not 0 <= subaccount <= MAX_SUBACCOUNT:
        subaccount = 0
    if account is not None:
        subaccount = _subaccount_selected(nowhere, account.pk, subaccount)
    actor = replace(
        nowhere,
        account_id=account.pk if account else None,
        subaccount=subaccount,
        proofs=proofs_of(user_id, session),
    )
    presence = Presence(actor, membership, desk, account, subaccount)
    return presence, need_of(desk, all_roles(membership), user_id, session)


def _account_selected(actor: Actor, chosen: object) -> ExchangeAccount | None:
    """Return the chosen account while the person may see some of it; else the first paper account; else any."""
    accounts = [one for one in _accounts(actor.desk_id) if _sees_some(actor, one.pk)]
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


def only_looks(user_id: int) -> bool:
    """Whether a person only sees on every desk of theirs, so that nobody could act where their session is left open."""
    return all(actor_from(membership).only_looks for membership in _memberships(user_id))


def _session_load(session_key: str) -> Mapping[str, Any]:
    """Return what a session in SQL keeps, as its store does; empty when it is gone or expired."""
    row = _sessions.first(session_key)
    return {} if row is None or row.expire_date <= utc_now() else _session_decoded(row.session_data)


@functools.lru_cache(maxsize=1_024)
def _session_decoded(data: str) -> Mapping[str, Any]:
    """Return what a session's text says. The text is read anew each time; what it says never changes."""
    return MappingProxyType(Session(session_data=data).get_decoded())


def _subaccount_selected(actor: Actor, account_id: int, chosen: int) -> int:
    """Return the chosen subaccount while the person may see it; else the lowest of theirs."""
    numbers = subaccounts_seen(actor, account_id)
    return chosen if numbers is None or chosen in numbers else min(numbers, default=0)


def subaccounts_seen(actor: Actor, account_id: int) -> frozenset[int] | None:
    """Which subaccounts of an account a person may see; None for all of them."""
    if not _is_limited(actor):
        return None
    reach = actor.reach(Permission.DESK_VIEW)
    if account_id in reach.accounts:
        return None
    return frozenset(number for one, number in reach.subaccounts if one == account_id)


def _is_limited(actor: Actor) -> bool:
    """Whether a person is kept to accounts that they were given. Others, masked viewers too, know them by name."""
    return bool(actor.grants) and not actor.may(Permission.DESK_VIEW)


def _sees_all(actor: Actor, account_id: int) -> bool:
    return not _is_limited(actor) or actor.may_on(Permission.DESK_VIEW, account_id, None)


def _sees_some(actor: Actor, account_id: int) -> bool:
    numbers = subaccounts_seen(actor, account_id)
    return numbers is None or bool(numbers)


def accounts_visible(actor: Actor) -> QuerySet[ExchangeAccount]:
    """The active accounts of the actor's desk that they may see all of."""
    rows = ExchangeAccount.objects.filter(desk_id=actor.desk_id, is_active=True).order_by("environment", "name")
    return rows.filter(within(_reach(actor), account="pk", subaccount="")) if _is_limited(actor) else rows


def accounts_seen(actor: Actor) -> QuerySet[ExchangeAccount]:
    """`accounts_visible`, and those that they may see a subaccount of: for code that asks for each row."""
    rows = ExchangeAccount.objects.filter(desk_id=actor.desk_id, is_active=True).order_by("environment", "name")
    if not _is_limited(actor):
        return rows
    reach = _reach(actor)
    return rows.filter(pk__in={*reach.accounts, *(account_id for account_id, _ in reach.subaccounts)})


def _reach(actor: Actor) -> Reach:
    return actor.reach(Permission.DESK_VIEW)


def account_get(actor: Actor, account_id: int) -> ExchangeAccount:
    """Return an account that the actor may see all of.

    Raises NotFound for any other, and for another desk's, exactly as for one that does not exist.
    """
    account = next((one for one in _accounts(actor.desk_id) if one.pk == account_id), None)
    if account is None or not _sees_all(actor, account_id):
        raise NotFound("This account does not exist, or it belongs to another desk.")
    return account


def account_get_on(actor: Actor, account_id: int, subaccount: int) -> ExchangeAccount:
    """Return an account for what keeps to one subaccount of it that the actor may see. Raises as `account_get`."""
    account = next((one for one in _accounts(actor.desk_id) if one.pk == account_id), None)
    if account is None or (_is_limited(actor) and not actor.may_on(Permission.DESK_VIEW, account_id, subaccount)):
        raise NotFound("This account does not exist, or it belongs to another desk.")
    return account


def account_seen(actor: Actor, account_id: int) -> ExchangeAccount:
    """Return an account that the actor may see some of, for what asks for each row. Raises as `account_get`."""
    account = next((one for one in _accounts(actor.desk_id) if one.pk == account_id), None)
    if account is None or not _sees_some(actor, account_id):
        raise NotFound("This account does not exist, or it belongs to another desk.")
    return account


def account_is_seen(actor: Actor, account_id: int) -> bool:
    """Whether some of this account's rows are the actor's to see."""
    return _sees_some(actor, account_id) and any(one.pk == account_id for one in _accounts(actor.desk_id))


def account_is_visible(actor: Actor, account_id: int) -> bool:
    """Whether topics and rows of all of this account are the actor's to see."""
    return _sees_all(actor, account_id) and any(one.pk == account_id for one in _accounts(actor.desk_id))
