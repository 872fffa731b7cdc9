"""Live frames of the topic `pnl:<account>` (whole). Contract: docs/realtime.md.

{"day", "day_start_ms", "folded_ms", "total": sums, "subaccounts": {"<n>": sums}, "markets": {"<n>:<ticker>":
[realised, fees]} (of today), "start": {"at_ms", "unrealized", "equity", "cash"} or null, "reserved" (locked by
resting orders, estimated), "value_includes_cash" (how the exchange's portfolio value is read), "breaks": [break]}.

Sums: realized, fees, settlement_fees, trade_fees, rounding, rebates, other_fees, traded, contracts (strings), fills.
A break: key, subaccount, ticker, kind, cause, resolution, since_ms, is_certain, desk and exchange: {contracts, paid,
fees}. Decimals are strings, times Unix milliseconds, null is not known.
"""

from decimal import Decimal
from typing import Any

from django.conf import settings

from apps.core.money import format_count, format_dollars
from apps.core.pnl_days import day_start
from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.portfolio.breaks import Break, Sums, breaks_of
from apps.portfolio.equity import Equity, reserves_of
from apps.portfolio.figures import PnlSum, day_figures
from apps.portfolio.models import FigureState, Position

Row = dict[str, Any]

MARKETS_AT_MOST = 2_000
BREAKS_AT_MOST = 200


def pnl_topic(account_id: int) -> str:
    return str(TopicName("pnl", str(account_id)))


def pnl_publish(account_id: int) -> None:
    live.publish_on_commit(pnl_topic(account_id), lambda: pnl_frame(account_id))


def pnl_state(topic: TopicName) -> Row:
    return pnl_frame(int(topic.scope))


def pnl_frame(account_id: int) -> Row:
    figures = day_figures(account_id)
    state = FigureState.objects.filter(account_id=account_id).first()
    markets = sorted(figures.by_market.items(), key=lambda one: -abs(one[1].net))[:MARKETS_AT_MOST]
    reserves = reserves_of(account_id, Position.objects.filter(account_id=account_id).exclude(position=0))
    return {
        "day": figures.day.isoformat(),
        "day_start_ms": to_unix_ms(day_start(figures.day)),
        "folded_ms": to_unix_ms(state.folded_at) if state and state.folded_at else None,
        "total": sums_row(figures.total),
        "subaccounts": {str(number): sums_row(one) for number, one in sorted(figures.by_subaccount.items())},
        "markets": {
            f"{sub}:{ticker}": [format_dollars(one.realized), format_dollars(one.all_fees)]
            for (sub, ticker), one in markets
        },
        "start": _start(figures.start),
        "reserved": format_dollars(sum(reserves.values(), start=Decimal(0))),
        "value_includes_cash": settings.PORTFOLIO_VALUE_INCLUDES_CASH,
        "breaks": [break_row(one) for one in breaks_of(account_id)[:BREAKS_AT_MOST]],
    }


def sums_row(one: PnlSum) -> Row:
    return {
        "realized": format_dollars(one.realized),
        "fees": format_dollars(one.fees),
        "settlement_fees": format_dollars(one.settlement_fees),
        "trade_fees": format_dollars(one.trade_fees),
        "rounding": format_dollars(one.rounding),
        "rebates": format_dollars(one.rebates),
        "other_fees": format_dollars(one.other_fees),
        "net": format_dollars(one.net),
        "traded": format_dollars(one.traded),
        "contracts": format_count(one.contracts),
        "fills": one.fills,
    }


def break_row(one: Break) -> Row:
    return {
        "key": one.key,
        "subaccount": one.subaccount,
        "ticker": one.ticker,
        "kind": one.kind,
        "cause": one.cause,
        "resolution": one.resolution,
        "since_ms": None if one.since is None else to_unix_ms(one.since),
        "is_certain": one.is_certain,
        "desk": _sums(one.desk),
        "exchange": _sums(one.exchange),
    }


def _sums(one: Sums) -> Row:
    return {"contracts": format_count(one.contracts), "paid": _dollars(one.paid), "fees": _dollars(one.fees)}


def _start(point: Equity | None) -> Row | None:
    if point is None:
        return None
    return {
        "at_ms": to_unix_ms(point.at),
        "cash": format_dollars(point.cash),
        "equity": _dollars(point.total),
        "unrealized": _dollars(point.unrealized),
    }


def _dollars(amount: Decimal | None) -> str | None:
    return None if amount is None else format_dollars(amount)
