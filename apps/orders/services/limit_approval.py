"""Four eyes on limits that get wider: what is asked, what the approver sees, and carrying it out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apps.accounts.four_eyes import Kind, Params, gate, kinds
from apps.accounts.models import ChangeRequest, ExchangeAccount, User
from apps.core.permissions import Actor, Permission
from apps.orders.models import RiskLimit

# What holds on the first day: see apps.orders.services.limits.
DEFAULTS: Mapping[str, Decimal | int] = {
    "max_count": Decimal(10_000),
    "max_notional": Decimal(10_000),
    "price_band": Decimal("0.25"),
    "orders_per_minute": 600,
    "max_open_contracts": Decimal(100_000),
}
Values = Mapping[str, Decimal | int | None]


def limit_gate(
    actor: Actor, values: Values, *, user_id: int | None, account_id: int | None, approval: ChangeRequest | None
) -> None:
    """Let narrower limits pass; wider ones need a second person where the desk wants one. Raises as `gate`."""
    if not _is_wider(actor.desk_id, values, user_id=user_id, account_id=account_id):
        return
    texts = {name: None if values.get(name) is None else str(values[name]) for name in DEFAULTS}
    params = {"user_id": user_id, "account_id": account_id, "values": texts}
    user = User.objects.filter(pk=user_id).first() if user_id is not None else None
    account = ExchangeAccount.objects.filter(pk=account_id).first() if account_id is not None else None
    whose = f"{user.get_username() if user else 'everybody'}, {account.name if account else 'every account'}"
    figures = ", ".join(f"{name} {value or 'none'}" for name, value in texts.items())
    gate(actor.desk_id, "limits", f"Limits of {whose}: {figures}"[:200], params, approval=approval)


def register() -> None:
    kinds["limits"] = Kind("Limits that get wider", Permission.LIMIT_MANAGE, _now, _apply)


def _row_of(desk_id: int, *, user_id: int | None, account_id: int | None) -> RiskLimit | None:
    rows = RiskLimit.objects.filter(desk_id=desk_id)
    return next((row for row in rows if (row.user_id, row.account_id) == (user_id, account_id)), None)


def _is_wider(desk_id: int, values: Values, *, user_id: int | None, account_id: int | None) -> bool:
    row = _row_of(desk_id, user_id=user_id, account_id=account_id)
    if row is None and (user_id is not None or account_id is not None):
        return False  # rows apply together, the tightest counts: one more can only narrow
    for name, default in DEFAULTS.items():
        before: Any = getattr(row, name) if row else default
        after = values.get(name)
        if before is not None and (after is None or after > before):
            return True
    return False


def _now(desk_id: int, params: Params) -> dict[str, str]:
    row = _row_of(desk_id, user_id=params["user_id"], account_id=params["account_id"])
    if row is None:
        return {name: f"{value} (as installed)" for name, value in DEFAULTS.items()}
    held = {name: getattr(row, name) for name in DEFAULTS}
    return {name: "no limit" if value is None else str(value) for name, value in held.items()}


def _apply(author: Actor, request: ChangeRequest) -> None:
    from apps.orders.services.limits import limit_set

    params = request.params
    values: dict[str, Decimal | int | None] = {
        name: None if text is None else int(text) if name == "orders_per_minute" else Decimal(text)
        for name, text in params["values"].items()
    }
    limit_set(author, values, user_id=params["user_id"], account_id=params["account_id"], approval=request)
