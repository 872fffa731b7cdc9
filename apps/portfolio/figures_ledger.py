"""Where one market's figures come from: each fill and settlement with what it did, and both sides' sums."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.money import count_from_units, count_units, money_from_units, money_units, price_units
from apps.core.permissions import Actor
from apps.core.pnl import MarketPnl
from apps.markets.models import Market
from apps.orders.access import fills_visible_to
from apps.orders.models import BookSide, Fill
from apps.portfolio.access import positions_visible_to
from apps.portfolio.breaks import Break, breaks_of
from apps.portfolio.figures_fold import fact_of
from apps.portfolio.models import MarketBook, Position, Settlement

STEPS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Step:
    """A fill or a settlement, and the position after it. Dollars; `realized` and `fee` of this step alone."""

    at: datetime
    fill: Fill | None
    settlement: Settlement | None
    realized: Decimal
    fee: Decimal
    contracts: Decimal
    cost: Decimal
    total_realized: Decimal
    total_fees: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """`steps`: the newest 200, newest first; `count` of all."""

    steps: list[Step]
    count: int
    book: MarketBook | None
    position: Position | None
    difference: Break | None

    @property
    def paid_desk(self) -> Decimal | None:
        """Cost less realised P&L: what the contracts still hold of the cash that was paid for them."""
        return None if self.book is None else self.book.cost - self.book.realized_pnl

    @property
    def paid_exchange(self) -> Decimal | None:
        return None if self.position is None else self.position.cost - self.position.realized_pnl


def ledger_of(actor: Actor, *, account: ExchangeAccount, subaccount: int, ticker: str, market: Market | None) -> Ledger:
    """Fold one market again, step by step, from its first fill. Raises NotAllowed."""
    value = None if market is None or market.settlement_value is None else price_units(market.settlement_value)
    mine = {"account_id": account.pk, "subaccount": subaccount, "ticker": ticker}
    fills = fills_visible_to(actor).filter(**mine).order_by("traded_at", "pk")
    waiting = list(Settlement.objects.filter(**mine, is_current=True).order_by("settled_at", "pk"))
    kept: deque[Step] = deque(maxlen=STEPS_SHOWN)
    pnl, count = MarketPnl(), 0
    for fill in fills.iterator(chunk_size=2_000):
        while waiting and waiting[0].settled_at < fill.traded_at:
            kept.append(_settled(pnl, waiting.pop(0), value))
            count += 1
        kept.append(_filled(pnl, fill))
        count += 1
    for settlement in waiting:
        kept.append(_settled(pnl, settlement, value))
        count += 1
    found = [one for one in breaks_of(account.pk) if (one.subaccount, one.ticker) == (subaccount, ticker)]
    return Ledger(
        steps=list(kept)[::-1],
        count=count,
        book=MarketBook.objects.filter(**mine).first(),
        position=positions_visible_to(actor).filter(**mine).first(),
        difference=found[0] if found else None,
    )


def _filled(pnl: MarketPnl, fill: Fill) -> Step:
    gain = pnl.fill(
        is_bid=fill.book_side == BookSide.BID,
        price=price_units(fill.yes_price),
        count=count_units(fill.count),
        fee=money_units(fill.fee),
    )
    return _step(pnl, fill.traded_at, realized=gain, fee=fill.fee, fill=fill)


def _settled(pnl: MarketPnl, row: Settlement, value: int | None) -> Step:
    told = pnl.settle(fact_of(row, value))
    return _step(pnl, row.settled_at, realized=told.realized, fee=money_from_units(told.fee), settlement=row)


def _step(pnl: MarketPnl, at: datetime, *, realized: int, fee: Decimal, **of: Any) -> Step:
    return Step(
        at=at,
        fill=of.get("fill"),
        settlement=of.get("settlement"),
        realized=money_from_units(realized),
        fee=fee,
        contracts=count_from_units(pnl.contracts),
        cost=money_from_units(pnl.cost),
        total_realized=money_from_units(pnl.realized),
        total_fees=money_from_units(pnl.fees),
    )
