"""FIX as a source: what its reports say of trades, orders and settlements, kept beside the ledger.

fix fills the port, since history lies to its right. A settlement report (UMS) is joined to what REST lists of the same
market: the account's sums over its subaccounts, cut to cents as REST gives them.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from apps.core.money import format_count
from apps.history.models import Sighting, Subject
from apps.history.reconcile_feed import sightings_record
from apps.history.reconcile_sides import Side, order_side, position_key, trade_key, trade_side
from apps.portfolio.models import Settlement

_AT_ONCE: Final = 500
_CENT: Final = Decimal("0.01")
# REST lists a settlement some time after the report.
LISTED_WITHIN: Final = timedelta(minutes=5)


def trades_told(account_id: int, reports: list[Any], at: datetime) -> None:
    sides = {trade_key(report): trade_side(report) for report in reports}
    sightings_record(account_id, source="fix", subject=Subject.TRADE, sides=sides, at=at)


def orders_told(account_id: int, reports: list[Any], at: datetime) -> None:
    sides = {report.order_id: order_side(report) for report in reports}  # of one order the last
    sightings_record(account_id, source="fix", subject=Subject.ORDER, sides=sides, at=at)


def found_by(account_id: int, listed: Collection[str], stored: Collection[str]) -> dict[str, int]:
    """Count the trades that FIX and REST told, FIX alone, REST alone; empty for an account without FIX."""
    keys = sorted({*listed, *stored})
    told: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        rows = Sighting.objects.filter(account_id=account_id, subject=Subject.TRADE, source="fix", key__in=part)
        told.update(rows.values_list("key", flat=True))
    if not told:
        return {}
    both = len(told & set(listed))
    return {"trade_both": both, "trade_fix": len(told) - both, "trade_rest": len(listed) - both}


def settlement_told(account_id: int, told: Mapping[str, str], at: datetime) -> None:
    """Keep one whole settlement. told: see core.ports.fix_settlements."""
    side: Side = {**told, "value": _cents(Decimal(told["value"])), "payout": _cents(Decimal(told["payout"]))}
    key = settlement_key(told["ticker"])
    sightings_record(account_id, source="fix", subject=Subject.SETTLEMENT, sides={key: side}, at=at)


def settlement_key(ticker: str) -> str:
    return position_key(0, ticker)


def settlement_side(rows: list[Settlement]) -> Side | None:
    """Sum the settlements of one market over the subaccounts; None when REST lists none."""
    if not rows:
        return None
    value = rows[0].value
    return {
        "ticker": rows[0].ticker,
        "subaccount": "0",
        "result": rows[0].result,
        "value": None if value is None else _cents(value),
        "yes_count": format_count(sum((row.yes_count for row in rows), Decimal(0))),
        "no_count": format_count(sum((row.no_count for row in rows), Decimal(0))),
        "payout": _cents(sum((row.revenue for row in rows), Decimal(0))),
    }


def settlements_seen(account_id: int, *, until: datetime) -> list[tuple[Sighting, Side | None, datetime | None]]:
    """Return each settlement that FIX told, with REST's and its time; those that REST may still list are left."""
    told = list(Sighting.objects.filter(account_id=account_id, subject=Subject.SETTLEMENT, source="fix"))
    rows: dict[str, list[Settlement]] = {}
    tickers = {one.data["ticker"] for one in told}
    for row in Settlement.objects.filter(account_id=account_id, ticker__in=tickers, is_current=True):
        rows.setdefault(row.ticker, []).append(row)
    found = []
    for one in told:
        listed = rows.get(one.data["ticker"], [])
        if listed or one.seen_at < until - LISTED_WITHIN:
            found.append((one, settlement_side(listed), max((row.settled_at for row in listed), default=None)))
    return found


def _cents(amount: Decimal) -> str:
    return format(amount.quantize(_CENT, rounding=ROUND_DOWN), "f")
