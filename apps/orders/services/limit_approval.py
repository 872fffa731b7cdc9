"""Four eyes on limits that get wider: what is asked, what the approver sees, and carrying it out."""

from dataclasses import asdict, dataclass
from decimal import Decimal

from apps.accounts.four_eyes import Kind, Params, gate, kinds
from apps.accounts.models import ChangeRequest, ExchangeAccount, User
from apps.core.permissions import Actor, Permission
from apps.orders.models import RiskLimit
from apps.orders.services.limit_rows import (
    DEFAULTS,
    NAMES,
    SUMMED,
    SUMMED_MINUTES,
    THRESHOLDS,
    WHOLE,
    Figure,
    Values,
    summed_minutes,
    values_of,
)


@dataclass(frozen=True, slots=True)
class LimitScope:
    """Whose limits, and where: None and "" are everybody, every account, every market."""

    user_id: int | None
    account_id: int | None
    series: str = ""
    ticker: str = ""

    @property
    def is_widest(self) -> bool:
        return self == LimitScope(None, None)


def limit_gate(
    actor: Actor,
    values: Values,
    *,
    scope: LimitScope,
    loss_if_stale: str,
    reason: str,
    approval: ChangeRequest | None,
) -> None:
    """Let narrower limits pass; wider ones need a second person where the desk wants one. Raises as `gate`."""
    if not _is_wider(actor.desk_id, values, scope=scope, loss_if_stale=loss_if_stale):
        return
    texts = {name: None if values.get(name) is None else str(values[name]) for name in NAMES}
    params = {**asdict(scope), "values": texts, "loss_if_stale": loss_if_stale, "reason": reason}
    user = User.objects.filter(pk=scope.user_id).first() if scope.user_id is not None else None
    account = ExchangeAccount.objects.filter(pk=scope.account_id).first() if scope.account_id is not None else None
    whose = f"{user.get_username() if user else 'everybody'}, {account.name if account else 'every account'}"
    where = f", {scope.series or scope.ticker}" if scope.series or scope.ticker else ""
    # What is not limited and was not is left out: the approver reads every figure that moves below.
    figures = ", ".join(f"{name} {value or 'none'}" for name, value in texts.items() if value or name in DEFAULTS)
    gate(actor.desk_id, "limits", f"Limits of {whose}{where}: {figures}"[:200], params, approval=approval)


def register() -> None:
    kinds["limits"] = Kind("Limits that get wider", Permission.LIMIT_MANAGE, _now, _apply)


def row_of(desk_id: int, scope: LimitScope) -> RiskLimit | None:
    return RiskLimit.objects.filter(desk_id=desk_id, **asdict(scope)).first()


def _is_wider(desk_id: int, values: Values, *, scope: LimitScope, loss_if_stale: str) -> bool:
    row = row_of(desk_id, scope)
    if row is None and not scope.is_widest:
        return False  # rows apply together, the tightest counts: one more can only narrow
    if row is not None and any(getattr(row, name) is not None for name in THRESHOLDS):
        minutes = values.get(SUMMED)
        if (SUMMED_MINUTES if minutes is None else minutes) < summed_minutes(row):
            return True  # summed over less time, more passes
    for name in NAMES:
        if name == SUMMED:
            continue
        before: Figure | None = getattr(row, name) if row else DEFAULTS.get(name)
        after = values.get(name)
        if before is not None and (after is None or after > before):
            return True
    has_loss = row is not None and row.max_daily_loss is not None
    return has_loss and row is not None and (row.loss_if_stale, loss_if_stale) == ("refuse", "allow")


def _scope_of(params: Params) -> LimitScope:
    return LimitScope(params["user_id"], params["account_id"], params["series"], params["ticker"])


def _now(desk_id: int, params: Params) -> dict[str, str]:
    row = row_of(desk_id, _scope_of(params))
    if row is None:
        return {name: f"{value} (as installed)" for name, value in DEFAULTS.items()}
    held = values_of(row)
    return {name: held.get(name, "no limit") for name in (*NAMES, "loss_if_stale")}


def _apply(author: Actor, request: ChangeRequest) -> None:
    from apps.orders.services.limit_changes import limit_set

    params = request.params
    values: dict[str, Figure | None] = {
        name: None if text is None else int(text) if name in WHOLE else Decimal(text)
        for name, text in params["values"].items()
    }
    limit_set(
        author,
        values,
        **asdict(_scope_of(params)),
        reason=params["reason"],
        loss_if_stale=params["loss_if_stale"],
        approval=request,
    )
