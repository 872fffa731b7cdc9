"""Setting limits: by a lead, with a reason, with a second person where the desk wants one, and a history of it all."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.access import account_get
from apps.accounts.four_eyes import is_wanted
from apps.accounts.models import ChangeRequest, ExchangeAccount, Membership, User
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.markets.models import Market, Series
from apps.orders.access import require
from apps.orders.models import LimitChange, RiskLimit
from apps.orders.services.limit_approval import LimitScope, limit_gate, row_of
from apps.orders.services.limit_rows import NAMES, SUMMED, SUMMED_MOST, THRESHOLDS, Values, values_of

REASON_AT_MOST = 200


def limit_set(
    actor: Actor,
    values: Values,
    *,
    reason: str,
    user_id: int | None,
    account_id: int | None,
    series: str = "",
    ticker: str = "",
    loss_if_stale: str = RiskLimit.Stale.REFUSE,
    approval: ChangeRequest | None = None,
) -> RiskLimit:
    """Set the limits of one scope, all of them at once.

    Raises NotAllowed, NotFound, DeskError; ApprovalNeeded where one gets wider and the desk wants four eyes on that.
    """
    require(actor, Permission.LIMIT_MANAGE)
    scope = LimitScope(user_id, account_id, series, ticker)
    reason = _reason(reason)
    faults = {
        name: "Give a number above zero, or nothing."
        for name, value in values.items()
        if name != SUMMED and not _is_limit(value)
    }
    faults |= _summed_faults(values)
    if (series or ticker) and values.get("max_daily_loss") is not None:
        faults["max_daily_loss"] = "A day's loss is of an account or a person, not of one series or market."
    if series and ticker:
        faults["ticker"] = "Name a series or a market, not both."
    if loss_if_stale not in RiskLimit.Stale.values:
        faults["loss_if_stale"] = "Choose from the list."
    if faults:
        raise DeskError("bad_input", "Some limits cannot be used.", fields=faults)
    if user_id is not None and not Membership.objects.filter(desk_id=actor.desk_id, user_id=user_id).exists():
        raise NotFound("This person is not on this desk.")
    account = None if account_id is None else account_get(actor, account_id)
    _place_check(scope, account)
    with transaction.atomic():
        limit_gate(actor, values, scope=scope, loss_if_stale=loss_if_stale, reason=reason, approval=approval)
        before = row_of(actor.desk_id, scope)
        held = values_of(before)
        limit, _ = RiskLimit.objects.update_or_create(
            desk_id=actor.desk_id,
            user=None if user_id is None else User.objects.get(pk=user_id),
            account=account,
            series=series,
            ticker=ticker,
            defaults={name: values.get(name) for name in NAMES}
            | {"loss_if_stale": loss_if_stale, "set_by_id": actor.user_id, "set_at": utc_now()},
        )
        _keep(actor, "orders.limit.set", limit, before=held, after=values_of(limit), reason=reason, approval=approval)
    return limit


def limit_remove(actor: Actor, limit_id: int, *, reason: str) -> None:
    """Raises NotAllowed, NotFound, DeskError. Without a row for everybody, the defaults hold again."""
    require(actor, Permission.LIMIT_MANAGE)
    reason = _reason(reason)
    with transaction.atomic():
        limit = RiskLimit.objects.filter(pk=limit_id, desk_id=actor.desk_id).first()
        if limit is None:
            raise NotFound("This limit does not exist, or it belongs to another desk.")
        if is_wanted(actor.desk_id, "limits"):
            text = "This desk wants four eyes on wider limits: set the row to what should hold instead of removing it."
            raise DeskError("four_eyes", text)
        _keep(actor, "orders.limit.removed", limit, before=values_of(limit), after={}, reason=reason)
        limit.delete()


@dataclass(frozen=True, slots=True)
class Changed:
    """One figure of a change: as decimal text, "" where nothing was limited."""

    name: str
    before: str
    after: str


def limit_history(actor: Actor) -> QuerySet[LimitChange]:
    """The desk's changes, newest first. Raises NotAllowed."""
    require(actor, Permission.DESK_VIEW)
    changes = LimitChange.objects.filter(desk_id=actor.desk_id)
    return changes.select_related("user", "account", "changed_by", "approved_by").order_by("-pk")


def changed_of(change: LimitChange) -> list[Changed]:
    """Return the figures that a change moved, in the order of NAMES."""
    found = []
    for name in (*NAMES, "loss_if_stale"):
        before, after = change.before.get(name, ""), change.after.get(name, "")
        if before != after:
            found.append(Changed(name, before, after))
    return found


def _reason(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        text = "Say why: the reason is kept with the change."
        raise DeskError("bad_input", text, fields={"reason": text})
    return reason[:REASON_AT_MOST]


def _place_check(scope: LimitScope, account: ExchangeAccount | None) -> None:
    """A slipped letter would make a limit that never holds."""
    where = {} if account is None else {"environment": account.environment}
    if scope.series and not (
        Series.objects.filter(ticker=scope.series, **where).exists()
        or Market.objects.filter(series_ticker=scope.series, **where).exists()
    ):
        text = f"There is no series {scope.series} in the catalogue."
        raise DeskError("bad_input", text, fields={"place": text})
    if scope.ticker and not Market.objects.filter(ticker=scope.ticker, **where).exists():
        text = f"There is no market {scope.ticker} in the catalogue."
        raise DeskError("bad_input", text, fields={"place": text})


def _summed_faults(values: Values) -> dict[str, str]:
    minutes = values.get(SUMMED)
    if minutes is None:
        return {}
    if not 0 <= minutes <= SUMMED_MOST:
        return {SUMMED: f"Minutes from 1 to {SUMMED_MOST:,}, or 0 for each order by itself."}
    if all(values.get(name) is None for name in THRESHOLDS):
        return {SUMMED: "Set contracts or dollars for four eyes beside it."}
    return {}


def _is_limit(value: Decimal | int | None) -> bool:
    return value is None or value > 0


def _keep(
    actor: Actor,
    action: str,
    limit: RiskLimit,
    *,
    before: dict[str, str],
    after: dict[str, str],
    reason: str,
    approval: ChangeRequest | None = None,
) -> None:
    scope = LimitScope(limit.user_id, limit.account_id, limit.series, limit.ticker)
    LimitChange.objects.create(
        desk_id=actor.desk_id,
        **asdict(scope),
        before=before,
        after=after,
        reason=reason,
        changed_by_id=actor.user_id,
        approved_by_id=approval.decided_by_id if approval else None,
        changed_at=utc_now(),
    )
    data: dict[str, Any] = {**asdict(scope), "before": before, "after": after, "reason": reason}
    if approval is not None:
        data["approval"] = approval.pk
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=limit.account.environment if limit.account else "",
        target=f"risk_limit:{limit.pk}",
        data=data,
    )
