"""What pages, previews and topics read about balances and positions."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal

from apps.core.permissions import Actor
from apps.core.ports import Holding
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName
from apps.portfolio import events
from apps.portfolio.access import WAS_TRADED, balances_visible_to, positions_visible_to
from apps.portfolio.models import Balance, Position

# The refresh runs every 15 s; a balance older than this must not refuse anybody's order.
CASH_TRUSTED_FOR = timedelta(seconds=60)
RECENT = timedelta(hours=24)
ROWS_AT_MOST = 500
OPEN_AT_MOST = 5_000

_balances = Prepared(
    lambda account_id, subaccount: Balance.objects.filter(account_id=account_id, subaccount=subaccount)
)
_positions = Prepared(
    lambda account_id, subaccount, ticker: Position.objects.filter(
        account_id=account_id, subaccount=subaccount, ticker=ticker
    )
)


def balance_for(actor: Actor, *, account_id: int, subaccount: int) -> Balance | None:
    """Return the balance with its age (`seen_at`), None when it was never read. Raises NotAllowed."""
    return balances_visible_to(actor).filter(account_id=account_id, subaccount=subaccount).first()


def position_for(actor: Actor, *, account_id: int, subaccount: int, ticker: str) -> Position | None:
    """Return the position in one market, None when there never was one. Raises NotAllowed."""
    mine = positions_visible_to(actor).filter(account_id=account_id, subaccount=subaccount)
    return mine.filter(ticker=ticker).first()


def positions_open(actor: Actor, *, account_id: int, subaccount: int | None = None) -> list[Position]:
    """Return positions that are not flat, by ticker. Raises NotAllowed."""
    mine = positions_visible_to(actor).filter(account_id=account_id).exclude(position=0)
    if subaccount is not None:
        mine = mine.filter(subaccount=subaccount)
    return list(mine.order_by("ticker", "subaccount"))


def holding_of(account_id: int, subaccount: int, ticker: str) -> Holding:
    """Return what `core.ports.holdings` promises to orders."""
    balance = _balances.first(account_id, subaccount)
    if balance is None:
        return Holding(cash=None, position=None)
    position = _positions.first(account_id, subaccount, ticker)
    is_fresh = utc_now() - balance.seen_at <= CASH_TRUSTED_FOR
    return Holding(
        cash=balance.cash if is_fresh else None,
        # The account has been read: a market without a row is one without a position.
        position=position.position if position else Decimal(0),
    )


def positions_of(account_id: int, subaccount: int, tickers: Collection[str]) -> Mapping[str, Decimal] | None:
    """Return what `core.ports.positions` promises."""
    if not Balance.objects.filter(account_id=account_id, subaccount=subaccount).exists():
        return None
    held = Position.objects.filter(account_id=account_id, subaccount=subaccount, ticker__in=list(tickers))
    return dict.fromkeys(tickers, Decimal(0)) | dict(held.values_list("ticker", "position"))


def balance_state(topic: TopicName) -> events.Row | None:
    frame = events.balance_frame(int(topic.scope))
    return frame if frame["subaccounts"] else None


def positions_state(topic: TopicName) -> events.Row:
    """Return open positions (5,000 at most), and those that went flat in the last 24 hours (500 at most)."""
    mine = Position.objects.filter(account_id=int(topic.scope)).order_by("ticker", "subaccount")
    rows = list(mine.exclude(position=0)[:OPEN_AT_MOST])
    rows += mine.filter(WAS_TRADED, position=0, seen_at__gte=utc_now() - RECENT)[:ROWS_AT_MOST]
    return {"all": True, "rows": {events.position_key(row): events.position_row(row) for row in rows}}
