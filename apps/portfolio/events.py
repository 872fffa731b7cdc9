"""Live frames of the topics `balance:<account>` and `positions:<account>`. Contract: docs/realtime.md.

Decimals are strings, times Unix milliseconds, what is not known is null.

`balance` frame (whole): {"subaccounts": {"<n>": {"cash", "portfolio_value", "reported_ms",
"seen_ms"}}}. `seen_ms` is when the desk last asked; a page that shows a balance shows its age.

`positions` row, key `<subaccount>:<ticker>`: `v`, `key`, `account_id`, `subaccount`, `ticker`, `position` (positive
YES, negative NO), `outcome_side` "yes" | "no" | "" when flat, `count` (without sign), `average_price` (of the leg held,
in its own prices) or null, `cost`, `realized_pnl`, `fees_paid`, `total_traded` (null until a listing has
told it), `seen_ms`, `source`.
"""

from typing import Any

from apps.core.money import format_count, format_dollars
from apps.core.positions import NetPosition
from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.portfolio.models import Balance, Position

Row = dict[str, Any]


def balance_topic(account_id: int) -> str:
    return str(TopicName("balance", str(account_id)))


def positions_topic(account_id: int) -> str:
    return str(TopicName("positions", str(account_id)))


def position_key(position: Position) -> str:
    return f"{position.subaccount}:{position.ticker}"


def balance_frame(account_id: int) -> Row:
    balances = Balance.objects.filter(account_id=account_id).order_by("subaccount")
    return {"subaccounts": {str(balance.subaccount): _balance(balance) for balance in balances}}


def _balance(balance: Balance) -> Row:
    return {
        "cash": format_dollars(balance.cash),
        "portfolio_value": None if balance.portfolio_value is None else format_dollars(balance.portfolio_value),
        "reported_ms": None if balance.reported_at is None else to_unix_ms(balance.reported_at),
        "seen_ms": to_unix_ms(balance.seen_at),
    }


def position_row(position: Position) -> Row:
    held = NetPosition(contracts=position.position, cost=position.cost)
    average = held.average_price
    return {
        "key": position_key(position),
        "v": position.version,
        "account_id": position.account_id,
        "subaccount": position.subaccount,
        "ticker": position.ticker,
        "position": format_count(position.position),
        "outcome_side": "yes" if position.position > 0 else "no" if position.position else "",
        "count": format_count(abs(position.position)),
        "average_price": None if average is None else format_dollars(average),
        "cost": format_dollars(position.cost),
        "realized_pnl": format_dollars(position.realized_pnl),
        "fees_paid": format_dollars(position.fees_paid),
        "total_traded": format_dollars(position.total_traded) if is_total_known(position) else None,
        "seen_ms": to_unix_ms(position.seen_at),
        "source": position.source,
    }


def is_total_known(position: Position) -> bool:
    """Only a listing tells what was traded in all: a position that the WebSocket told first has none yet."""
    return bool(position.total_traded) or position.source != "ws"


def balance_publish(account_id: int) -> None:
    live.publish_on_commit(balance_topic(account_id), lambda: balance_frame(account_id))


def positions_publish(account_id: int, positions: list[Position]) -> None:
    rows = {position_key(position): position_row(position) for position in positions}
    if rows:
        live.publish_on_commit(positions_topic(account_id), rows=rows)
