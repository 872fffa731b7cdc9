"""Who may do what: roles, permissions and the table that joins them. Pure data, no I/O.

Every URL, socket command, socket topic and task names one `Permission`; what is not named is
refused. A person may hold several roles on one desk; permissions add up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from functools import lru_cache


class Role(StrEnum):
    VIEWER = "viewer"
    ANALYST = "analyst"
    TRADER = "trader"
    QUOTER = "quoter"
    LEAD = "lead"
    OPERATOR = "operator"
    VAULT_ADMIN = "vault-admin"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a view, a command, a topic or a task asks for."""

    PUBLIC = "public"  # nobody has to be signed in: sign-in page, health probe
    SELF = "self"  # any signed-in person, about themselves
    MARKET_VIEW = "market.view"  # what is public at the exchange, and how the desk's processes are: no own amounts
    DESK_VIEW = "desk.view"  # orders, positions, results, RFQs: see, never touch
    DESK_EXPORT = "desk.export"
    ORDER_PLACE = "order.place"
    ORDER_CANCEL = "order.cancel"
    RFQ_TRADE = "rfq.trade"  # ask, accept, quote, confirm
    RFQ_PULL = "rfq.pull"  # withdraw requests and quotes of the desk: the safe direction
    HISTORY_SYNC = "history.sync"  # have the exchange's history read, again or from the beginning
    RFQ_MANAGE = "rfq.manage"  # arm rules, approve, re-price what others own
    CASH_MOVE = "cash.move"  # between subaccounts of one exchange account; nothing leaves it
    SUBACCOUNT_MANAGE = "subaccount.manage"  # open one, switch its netting
    LIMIT_MANAGE = "limit.manage"
    ALERT_MANAGE = "alert.manage"  # rules that tell others, webhooks, and what leaves the desk through them
    WALL_SHARE = "wall.share"  # make links that show the wall on a screen without a person
    KILL_PULL = "kill.pull"  # stop everybody and take everything off the exchange: the safe direction
    KILL_RELEASE = "kill.release"
    FIX_OPERATE = "fix.operate"  # define what a FIX session is; the acts on one follow
    FIX_START = "fix.start"
    FIX_STOP = "fix.stop"
    FIX_LOGON = "fix.logon"
    FIX_LOGOUT = "fix.logout"
    FIX_RESET = "fix.reset"  # sequence numbers
    FIX_TEST = "fix.test"
    FIX_RESEND = "fix.resend"
    FIX_RECOVER = "fix.recover"  # by drop copy
    FIX_ROUTE = "fix.route"  # which way orders, quotes and requests leave
    VAULT_VIEW = "vault.view"  # labels, scopes, fingerprints; never key material
    VAULT_MANAGE = "vault.manage"
    AUDIT_VIEW = "audit.view"
    PEOPLE_MANAGE = "people.manage"
    CHANGE_APPROVE = "change.approve"  # a second pair of eyes on roles, factors, limits and keys
    SYSTEM = "system"  # tasks that act for no person: syncs, sweeps


FIX_ACTS = frozenset(
    {
        Permission.FIX_OPERATE,
        Permission.FIX_START,
        Permission.FIX_STOP,
        Permission.FIX_LOGON,
        Permission.FIX_LOGOUT,
        Permission.FIX_RESET,
        Permission.FIX_TEST,
        Permission.FIX_RESEND,
        Permission.FIX_RECOVER,
        Permission.FIX_ROUTE,
    }
)
_MASKED = frozenset({Permission.PUBLIC, Permission.SELF, Permission.MARKET_VIEW})
_SEE = _MASKED | {Permission.DESK_VIEW}
# What a person who is a viewer and nothing else counts as where the desk hides its amounts from viewers. No role that
# anybody can be given: `apps.accounts.access.roles_on` says who has it. Whatever shows an own amount asks for more.
MASKED_VIEWER = "masked-viewer"

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _SEE,
    Role.ANALYST: _SEE | {Permission.DESK_EXPORT, Permission.HISTORY_SYNC},
    Role.TRADER: _SEE
    | {
        Permission.ORDER_PLACE,
        Permission.ORDER_CANCEL,
        Permission.CASH_MOVE,
        Permission.RFQ_PULL,
        Permission.KILL_PULL,
        Permission.HISTORY_SYNC,
    },
    Role.QUOTER: _SEE | {Permission.RFQ_TRADE, Permission.RFQ_PULL, Permission.KILL_PULL},
    Role.LEAD: _SEE
    | {
        Permission.DESK_EXPORT,
        Permission.HISTORY_SYNC,
        Permission.ORDER_CANCEL,
        Permission.CASH_MOVE,
        Permission.SUBACCOUNT_MANAGE,
        Permission.LIMIT_MANAGE,
        Permission.CHANGE_APPROVE,
        Permission.KILL_PULL,
        Permission.KILL_RELEASE,
        Permission.WALL_SHARE,
        Permission.ALERT_MANAGE,
        Permission.RFQ_PULL,
        Permission.RFQ_MANAGE,
    },
    Role.OPERATOR: _SEE | FIX_ACTS,
    Role.VAULT_ADMIN: _SEE | {Permission.VAULT_VIEW, Permission.VAULT_MANAGE},
    Role.AUDITOR: _SEE | {Permission.DESK_EXPORT, Permission.VAULT_VIEW, Permission.AUDIT_VIEW},
    Role.ADMIN: _SEE
    | {Permission.PEOPLE_MANAGE, Permission.CHANGE_APPROVE, Permission.WALL_SHARE, Permission.VAULT_VIEW},
}


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """Return what `roles` allow together. An unknown role allows nothing."""
    return _permissions_of(frozenset(roles))


@lru_cache(maxsize=512)  # asked for a hundred times by a page, some thirty by an order
def _permissions_of(roles: frozenset[str]) -> frozenset[Permission]:
    known = {role.value for role in Role}
    allowed: set[Permission] = set()
    for role in roles:
        if role == MASKED_VIEWER:
            allowed |= _MASKED
        if role in known:
            allowed |= ROLE_PERMISSIONS[Role(role)]
    return frozenset(allowed)


class Within(Enum):
    """What of a desk a URL, command, topic or operation keeps to, so that a `Grant` on less than the desk counts there.

    What does not say one is of the desk as a whole, and no grant opens it.
    """

    DESK = "desk"
    ACCOUNT = "account"  # all of the account that it names, or that is selected
    SUBACCOUNT = "subaccount"  # it asks for each row and each act whether the actor may, on that subaccount


# Roles that can be given on one account or subaccount, and what of them counts there. The others are of a whole desk.
GRANTABLE = (Role.VIEWER, Role.ANALYST, Role.TRADER, Role.QUOTER)
GRANTED = frozenset(
    {
        Permission.DESK_VIEW,
        Permission.DESK_EXPORT,
        Permission.ORDER_PLACE,
        Permission.ORDER_CANCEL,
        Permission.CASH_MOVE,
        Permission.RFQ_TRADE,
        Permission.RFQ_PULL,
    }
)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on one exchange account of the desk, or on one subaccount of it."""

    role: str
    account_id: int
    subaccount: int | None = None  # None: all of the account

    def allows(self, permission: Permission) -> bool:
        return permission in GRANTED and self.role in GRANTABLE and permission in ROLE_PERMISSIONS[Role(self.role)]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an actor has one permission: on all of the desk, or on these accounts and (account, subaccount) pairs."""

    is_desk: bool
    accounts: frozenset[int] = frozenset()
    subaccounts: frozenset[tuple[int, int]] = frozenset()

    def __bool__(self) -> bool:
        return self.is_desk or bool(self.accounts or self.subaccounts)

    def touches(self, account_id: int) -> bool:
        """Whether it holds on some of this account."""
        return self.is_desk or account_id in self.accounts or any(one == account_id for one, _ in self.subaccounts)

    def covers(self, account_id: int | None, subaccount: int | None) -> bool:
        """Whether it holds there. subaccount None: the whole account, or one that nobody knows."""
        if self.is_desk or account_id in self.accounts:
            return True
        return account_id is not None and subaccount is not None and (account_id, subaccount) in self.subaccounts


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person acting on one desk, as services see them.

    Built afresh for every request and every socket command, so that a role lowered a second
    ago counts. `account_id` and `subaccount` are what the person has selected in the top bar.
    """

    user_id: int
    desk_id: int
    roles: frozenset[str]
    account_id: int | None = None
    subaccount: int = 0
    grants: frozenset[Grant] = frozenset()  # beside the roles, each on less than the desk
    # How and when (Unix s) their session has proved who they are (apps.accounts.step_up); of nobody's session: never.
    proofs: tuple[tuple[str, float], ...] = ()

    def may(self, permission: Permission) -> bool:
        """On all of the desk. A grant on one account does not count: ask `may_on` where that is enough."""
        return permission in permissions_of(self.roles)

    def may_on(self, permission: Permission, account_id: int | None, subaccount: int | None) -> bool:
        """On this subaccount of this account. None: on the whole account, or where nobody knows which it is."""
        return self.reach(permission).covers(account_id, subaccount)

    @property
    def only_looks(self) -> bool:
        """Whether they see, and may do nothing else anywhere on the desk."""
        return all(one in _SEE for one in Permission if self.reach(one))

    def only(self, permission: Permission) -> "Actor":
        """Return the same person with no more than what gives this permission: for a list that it opens, an export.

        Who sees two accounts and may export one of them exports that one.
        """
        if self.may(permission):
            return self
        given = frozenset(one for one in self.grants if one.allows(permission))
        return replace(self, roles=frozenset({MASKED_VIEWER}), grants=given)

    def reach(self, permission: Permission) -> Reach:
        """Where on the desk this permission holds."""
        if self.may(permission):
            return Reach(is_desk=True)
        given = [one for one in self.grants if one.allows(permission)]
        return Reach(
            is_desk=False,
            accounts=frozenset(one.account_id for one in given if one.subaccount is None),
            subaccounts=frozenset((one.account_id, one.subaccount) for one in given if one.subaccount is not None),
        )
