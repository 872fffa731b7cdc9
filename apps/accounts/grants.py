"""Roles on one exchange account of a desk, or on one subaccount of it, beside a member's roles on all of the desk.

Asked for by `Actor.may_on` and `Actor.reach` (apps.core.permissions); `Actor.may` never counts them, so whatever was
not written for them is closed to who has nothing else.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from apps.accounts.models import Desk, ExchangeAccount, Membership
from apps.core.errors import DeskError
from apps.core.permissions import GRANTABLE, Grant, Reach

MAX_SUBACCOUNT = 32_767  # what columns hold; how many there may be is the exchange's to say (32 today, 63 announced)
MOST = 64  # on one membership: its row is read with each request


def grants_read(stored: object) -> frozenset[Grant]:
    """Return the grants of a membership's row. What cannot be read gives nothing."""
    if not isinstance(stored, list):
        return frozenset()
    found = set()
    for one in stored:
        if not isinstance(one, dict):
            continue
        role, account_id, subaccount = one.get("role"), one.get("account"), one.get("subaccount")
        if role not in GRANTABLE or type(account_id) is not int or "subaccount" not in one:
            continue
        if subaccount is None or (type(subaccount) is int and 0 <= subaccount <= MAX_SUBACCOUNT):
            found.add(Grant(role, account_id, subaccount))
    return frozenset(found)


def grants_stored(grants: Iterable[Grant]) -> list[dict[str, Any]]:
    """Return what a membership's row keeps, always in the same order."""
    rows = [{"role": one.role, "account": one.account_id, "subaccount": one.subaccount} for one in set(grants)]
    return sorted(
        rows, key=lambda row: (row["account"], -1 if row["subaccount"] is None else row["subaccount"], row["role"])
    )


def grants_check(desk: Desk, grants: Iterable[Grant], *, total: int) -> None:
    """Raises DeskError for a role, account or subaccount that cannot be given; total: what the person would have."""
    ours = set(ExchangeAccount.objects.filter(desk=desk, is_active=True).values_list("pk", flat=True))
    for one in grants:
        if one.role not in GRANTABLE:
            text = f"“{one.role}” acts for the whole desk. On one account can be given: {', '.join(GRANTABLE)}."
            raise DeskError("grant_role", text, fields={"role": text})
        if one.account_id not in ours:
            raise DeskError(
                "grant_account", "Choose one of the desk's accounts.", fields={"account": "Not on this desk."}
            )
        if one.subaccount is not None and not 0 <= one.subaccount <= MAX_SUBACCOUNT:
            text = f"Subaccounts are numbered 0 to {MAX_SUBACCOUNT}."
            raise DeskError("grant_subaccount", text, fields={"subaccount": text})
    if total > MOST:
        raise DeskError("grants_many", f"At most {MOST} for one person: give a role on the whole account instead.")


def all_roles(membership: Membership) -> frozenset[str]:
    """Every role that a member has anywhere on the desk: what a second factor is wanted for."""
    return frozenset(membership.roles) | {one.role for one in grants_read(membership.grants)}


def words_of(grants: Iterable[Grant], names: dict[int, str]) -> list[dict[str, Any]]:
    """Return each grant for a page; names: of the desk's accounts, those that are closed too."""
    return [
        {
            **row,
            "name": names.get(row["account"], f"account {row['account']}"),
            "text": text_of(Grant(row["role"], row["account"], row["subaccount"]), names),
        }
        for row in grants_stored(grants)
    ]


def text_of(grant: Grant, names: dict[int, str]) -> str:
    """Return "trader on Main, subaccount 2"."""
    place = names.get(grant.account_id, f"account {grant.account_id}")
    return f"{grant.role} on {place}" + ("" if grant.subaccount is None else f", subaccount {grant.subaccount}")


def account_names(desk_id: int) -> dict[int, str]:
    rows = ExchangeAccount.objects.filter(desk_id=desk_id).values_list("pk", "name", "environment")
    return {pk: f"{name} ({environment})" for pk, name, environment in rows}


def within(reach: Reach, *, account: str = "account_id", subaccount: str = "subaccount") -> Q:
    """Return the condition that keeps a queryset to where a permission holds; nothing where it holds nowhere.

    account, subaccount: paths of the columns; subaccount "" for rows of the whole account.
    """
    if reach.is_desk:
        return Q()
    found = Q(**{f"{account}__in": sorted(reach.accounts)})
    if subaccount:
        for account_id, number in sorted(reach.subaccounts):
            found |= Q(**{account: account_id, subaccount: number})
    return found
