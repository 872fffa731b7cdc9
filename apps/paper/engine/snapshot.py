"""The exchange as data: taken whole, followed by changes, restored in a fresh exchange. No I/O.

Kept of members: all. Kept of members without history (bots): cash and positions, so that the sum of all money and the
contracts on the other side of everybody's stay whole; their orders are not. Kept of the public: the catalogue, the
newest trades of each market, candles (see `CandleStore.thin`).

Every `Changes` holds all that changed since the one before, so the state after any of them is whole in itself.
"""

from collections import deque
from heapq import heapify, heappush
from itertools import chain, islice

import msgspec

from apps.paper.engine.accounts import Account, Member, Payment, Position, Transfer
from apps.paper.engine.book import Book
from apps.paper.engine.candles import Candle, CandleStore, Quad, Tick
from apps.paper.engine.catalogue import Market, MarketEvent, MarketStatus, Series
from apps.paper.engine.combos import Collection
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.groups import OrderGroup
from apps.paper.engine.orders import Fill, Order, Settlement, Trade
from apps.paper.engine.rfq import Quote, Rfq
from apps.paper.engine.state import MARKET_TRADES
from apps.paper.engine.units import DOLLAR_PRICE

DAY_S = 86_400
KEPT_TRADES = 300  # newest per market
KEPT_MINUTES_S = DAY_S
KEPT_CANDLES_S = 30 * DAY_S
KEPT_CLOSED_MS = 7 * DAY_S * 1000  # markets closed longer ago, in which no member ever traded, are forgotten


class SnapshotError(Exception):
    """What was stored does not fit together."""


class Totals(msgspec.Struct, array_like=True):
    """As of `now_ms`; money in micro-dollars."""

    now_ms: int
    deposited: int
    fees: int
    collateral: int
    sequence: int
    ids_drawn: int


class AccountRow(msgspec.Struct, array_like=True):
    user_id: str
    subaccount: int
    cash: int
    updated_ms: int
    netting: bool = True
    created_ms: int = 0


class CandleRow(msgspec.Struct, array_like=True):
    """A one-minute candle; quads are open, low, high, close."""

    end_s: int
    yes_bid: tuple[int, int, int, int]
    yes_ask: tuple[int, int, int, int]
    price: tuple[int, int, int, int] | None
    volume: int
    value: int
    open_interest: int


class CandleState(msgspec.Struct):
    """Candles of a market, oldest first, with the best YES bid and ask."""

    rows: list[CandleRow]
    best: tuple[int, int]
    history: list[Tick] = []


class Figures(msgspec.Struct, array_like=True):
    """What changes about a market all the time."""

    ticker: str
    status: MarketStatus
    last_price: int
    last_size: int
    last_trade_ms: int
    volume: int
    dollar_volume: int
    open_interest: int


class MemberState(msgspec.Struct):
    """positions by subaccount/ticker, in the order of first use. payments by id, oldest first."""

    name: str
    keeps_history: bool
    accounts: dict[int, AccountRow]
    positions: dict[str, Position]
    orders: dict[str, Order]
    fills: list[Fill]
    settlements: list[Settlement]
    used_ids: list[str]
    transfers: list[Transfer] = []
    payments: dict[str, Payment] = {}
    subtraders: dict[str, int] = {}


class ExchangeSnapshot(msgspec.Struct):
    totals: Totals
    members: dict[str, MemberState]
    series: dict[str, Series]
    events: dict[str, MarketEvent]
    markets: dict[str, Market]
    candles: dict[str, CandleState]
    trades: list[Trade]
    groups: dict[str, OrderGroup]
    rfqs: dict[str, Rfq] = {}
    quotes: dict[str, Quote] = {}
    collections: dict[str, Collection] = {}


class MemberRow(msgspec.Struct, array_like=True):
    user_id: str
    name: str
    keeps_history: bool
    subtraders: dict[str, int] = {}


class Changes(msgspec.Struct, omit_defaults=True):
    """What is different since the snapshot or the changes before; every row replaces an older one."""

    totals: Totals
    members: list[MemberRow] = []
    accounts: list[AccountRow] = []
    positions: list[Position] = []
    orders: list[Order] = []
    fills: list[Fill] = []
    settlements: list[Settlement] = []
    transfers: list[Transfer] = []
    payments: list[Payment] = []
    groups: list[OrderGroup] = []
    groups_gone: list[str] = []
    rfqs: list[Rfq] = []
    rfqs_gone: list[str] = []
    quotes: list[Quote] = []
    quotes_gone: list[str] = []
    used_ids: list[tuple[str, str]] = []
    trades: list[Trade] = []
    figures: list[Figures] = []
    candles: dict[str, CandleState] = {}
    series: list[Series] = []
    events: list[MarketEvent] = []
    markets: list[Market] = []
    collections: list[Collection] = []


# --- taking --------------------------------------------------------------------------------------
def take(exchange: PaperExchange) -> ExchangeSnapshot:
    """The state as it is; thins the candle stores. Encode it before anything else happens: it is not a copy."""
    now_s = exchange.clock.now_ms() // 1000
    for store in exchange.candles.values():
        store.thin(minutes_from_s=now_s - KEPT_MINUTES_S, from_s=now_s - KEPT_CANDLES_S)
    newest = (islice(reversed(trades), KEPT_TRADES) for trades in exchange.market_trades.values())
    return ExchangeSnapshot(
        totals=totals_of(exchange),
        members={member.user_id: _member_state(member) for member in exchange.members.values()},
        series=exchange.series,
        events=exchange.events,
        markets=exchange.markets,
        candles={ticker: candle_state(store, since_s=0) for ticker, store in exchange.candles.items()},
        trades=sorted(chain.from_iterable(newest), key=lambda trade: trade.sequence),
        groups=exchange.order_groups,
        rfqs={rfq_id: rfq for rfq_id, rfq in exchange.board.rfqs.items() if rfq.kept},
        quotes={quote_id: quote for quote_id, quote in exchange.board.quotes.items() if quote.kept},
        collections=exchange.collections,
    )


def totals_of(exchange: PaperExchange) -> Totals:
    return Totals(
        now_ms=exchange.clock.now_ms(),
        deposited=exchange.deposited,
        fees=exchange.fees,
        collateral=exchange.collateral,
        sequence=exchange.sequence,
        ids_drawn=exchange.ids.drawn,
    )


def account_row(account: Account) -> AccountRow:
    return AccountRow(
        account.user_id, account.subaccount, account.cash, account.updated_ms, account.netting, account.created_ms
    )


def candle_state(store: CandleStore, *, since_s: int) -> CandleState:
    """Candles that end at or after `since_s`; with 0, the unread past too."""
    rows = [
        CandleRow(c.end_s, _row(c.yes_bid), _row(c.yes_ask), _row(c.price) if c.price else None, c.volume, c.value,
                  c.open_interest)
        for c in store.since(since_s)
    ]  # fmt: skip
    return CandleState(rows, store.best, [] if since_s else list(store.unread_history))


def _row(quad: Quad) -> tuple[int, int, int, int]:
    return quad.open, quad.low, quad.high, quad.close


def _member_state(member: Member) -> MemberState:
    kept = member.keeps_history
    return MemberState(
        name=member.name,
        keeps_history=kept,
        accounts={number: account_row(account) for number, account in member.accounts.items()},
        positions={
            f"{number}/{ticker}": exposure.position
            for number, account in member.accounts.items()
            for ticker, exposure in account.exposures.items()
        },
        orders={order.order_id: order for order in member.orders},
        fills=member.fills,
        settlements=member.settlements,
        used_ids=sorted(member.client_order_ids) if kept else [],
        transfers=list(member.transfers.values()),
        payments=member.payments,
        subtraders=member.subtraders,
    )


# --- following -----------------------------------------------------------------------------------
def apply(state: ExchangeSnapshot, changes: Changes) -> None:
    """Bring a snapshot up to date.

    Raises:
        KeyError: changes of something that the snapshot does not know.
    """
    state.totals = changes.totals
    state.series |= {series.ticker: series for series in changes.series}
    state.events |= {event.ticker: event for event in changes.events}
    state.markets |= {market.ticker: market for market in changes.markets}
    state.collections |= {collection.ticker: collection for collection in changes.collections}
    for figures in changes.figures:
        market = state.markets[figures.ticker]
        market.status = figures.status
        market.last_price, market.last_size = figures.last_price, figures.last_size
        market.last_trade_ms, market.open_interest = figures.last_trade_ms, figures.open_interest
        market.volume, market.dollar_volume = figures.volume, figures.dollar_volume
    for member in changes.members:
        if member.user_id not in state.members:
            state.members[member.user_id] = MemberState(member.name, member.keeps_history, {}, {}, {}, [], [], [])
        state.members[member.user_id].subtraders = member.subtraders
    for row in changes.accounts:
        state.members[row.user_id].accounts[row.subaccount] = row
    for position in changes.positions:
        key = f"{position.subaccount}/{position.ticker}"
        state.members[position.user_id].positions[key] = position
    for order in changes.orders:
        state.members[order.user_id].orders[order.order_id] = order
    for fill in changes.fills:
        state.members[fill.user_id].fills.append(fill)
    for settlement in changes.settlements:
        state.members[settlement.user_id].settlements.append(settlement)
    for transfer in changes.transfers:
        state.members[transfer.user_id].transfers.append(transfer)
    for payment in changes.payments:
        state.members[payment.user_id].payments[payment.payment_id] = payment
    state.groups |= {group.group_id: group for group in changes.groups}
    for group_id in changes.groups_gone:
        state.groups.pop(group_id, None)
    state.rfqs |= {rfq.rfq_id: rfq for rfq in changes.rfqs}
    for rfq_id in changes.rfqs_gone:
        state.rfqs.pop(rfq_id, None)
    state.quotes |= {quote.quote_id: quote for quote in changes.quotes}
    for quote_id in changes.quotes_gone:
        state.quotes.pop(quote_id, None)
    for user_id, client_order_id in changes.used_ids:
        state.members[user_id].used_ids.append(client_order_id)
    state.trades += changes.trades
    for ticker, later in changes.candles.items():
        _apply_candles(state.candles.setdefault(ticker, CandleState([], later.best)), later)


def _apply_candles(state: CandleState, later: CandleState) -> None:
    if later.rows:
        while state.rows and state.rows[-1].end_s >= later.rows[0].end_s:
            state.rows.pop()
        state.rows += later.rows
    state.best = later.best
    state.history += later.history


# --- restoring -----------------------------------------------------------------------------------
def forget_closed(state: ExchangeSnapshot, *, before_ms: int) -> None:
    """Forget markets that closed before an instant and in which no member with a history has or had anything.

    The dollar that each of their open pairs holds goes away with them, out of `deposited` too.
    """
    members = state.members.values()
    used = {p.ticker for member in members if member.keeps_history for p in member.positions.values()}
    gone = {ticker for ticker, m in state.markets.items() if m.close_ms < before_ms and ticker not in used}
    # What a combo that stays depends on stays with it.
    gone -= {leg.market_ticker for ticker, m in state.markets.items() if ticker not in gone for leg in m.legs}
    if not gone:
        return
    for member in members:
        for key in [key for key, position in member.positions.items() if position.ticker in gone]:
            pairs = max(0, member.positions.pop(key).count)
            state.totals.collateral -= pairs * DOLLAR_PRICE
            state.totals.deposited -= pairs * DOLLAR_PRICE
    for ticker in gone:
        event = state.events[state.markets.pop(ticker).event_ticker]
        event.market_tickers.remove(ticker)
        state.candles.pop(ticker, None)
        if not event.market_tickers:
            del state.events[event.ticker]
    for collection in state.collections.values():
        collection.events = {ticker: row for ticker, row in collection.events.items() if ticker in state.events}
    state.trades = [trade for trade in state.trades if trade.ticker not in gone]
    state.rfqs = {rfq_id: rfq for rfq_id, rfq in state.rfqs.items() if rfq.ticker not in gone}
    state.quotes = {quote_id: quote for quote_id, quote in state.quotes.items() if quote.ticker not in gone}


def restore(exchange: PaperExchange, state: ExchangeSnapshot) -> None:
    """Put a state into a fresh exchange, which takes over its objects. Nothing is told to anybody.

    What the clock has made due in the meantime is left to `expire_due`.

    Raises:
        SnapshotError, KeyError, ValueError: the state does not fit together.
    """
    exchange.series, exchange.events = state.series, state.events
    exchange.collections = state.collections
    for ticker, market in state.markets.items():
        _restore_market(exchange, market, state.candles.get(ticker))
    heapify(exchange.openings)
    heapify(exchange.closings)
    for trade in state.trades:
        exchange.all_trades.append(trade)
        exchange.market_trades[trade.ticker].append(trade)
    exchange.order_groups = state.groups
    for rfq in state.rfqs.values():
        exchange.board.add_rfq(rfq)
    for quote in state.quotes.values():
        exchange.board.add_quote(quote)
    resting: list[Order] = []
    for user_id, member_state in state.members.items():
        resting += _restore_member(exchange, user_id, member_state)
    for order in sorted(resting, key=lambda o: o.priority):
        _restore_order(exchange, order)
    _restore_tops(exchange)
    totals = state.totals
    exchange.deposited, exchange.fees, exchange.collateral = totals.deposited, totals.fees, totals.collateral
    exchange.sequence, exchange.ids.drawn = totals.sequence, totals.ids_drawn
    cash = sum(account.cash for member in exchange.members.values() for account in member.accounts.values())
    if exchange.deposited != cash + exchange.fees + exchange.collateral:
        raise SnapshotError("the money in it does not add up")


def _restore_market(exchange: PaperExchange, market: Market, candles: CandleState | None) -> None:
    ticker = market.ticker
    if ticker not in exchange.events[market.event_ticker].market_tickers:
        raise SnapshotError(f"market {ticker} is not among those of its event")
    exchange.markets[ticker] = market
    exchange.books[ticker] = Book()
    exchange.market_trades[ticker] = deque(maxlen=MARKET_TRADES)
    store = CandleStore(history=candles.history if candles else ())
    if candles:
        store.restore([_candle(row) for row in candles.rows], best=candles.best)
    exchange.candles[ticker] = store
    if market.status == "initialized":
        exchange.openings.append((market.open_ms, ticker))
    if market.status in ("initialized", "active", "inactive"):
        exchange.closings.append((market.close_ms, ticker))
    exchange.index_combo(market)
    exchange.schedule_end(market)


def _candle(row: CandleRow) -> Candle:
    price = Quad(*row.price) if row.price else None
    return Candle(
        row.end_s, Quad(*row.yes_bid), Quad(*row.yes_ask), price, None, row.volume, row.value, row.open_interest
    )


def _restore_member(exchange: PaperExchange, user_id: str, state: MemberState) -> list[Order]:
    """Seat a member; return its resting orders."""
    accounts = {
        number: Account(
            user_id=user_id,
            subaccount=number,
            cash=row.cash,
            updated_ms=row.updated_ms,
            netting=row.netting,
            created_ms=row.created_ms,
        )
        for number, row in sorted(state.accounts.items())
    }
    orders = sorted(state.orders.values(), key=lambda order: order.sequence)
    exchange.members[user_id] = Member(
        user_id=user_id,
        name=state.name,
        accounts=accounts,
        keeps_history=state.keeps_history,
        client_order_ids=set(state.used_ids),
        orders=orders,
        fills=sorted(state.fills, key=lambda fill: fill.sequence),
        settlements=sorted(state.settlements, key=lambda settlement: settlement.sequence),
        transfers={transfer.client_transfer_id: transfer for transfer in state.transfers},
        payments=state.payments,
        subtraders=state.subtraders,
    )
    for position in state.positions.values():
        exchange.exposure(accounts[position.subaccount], position.ticker).position = position
    exchange.all_orders |= {order.order_id: order for order in orders}
    return [order for order in orders if order.status == "resting"]


def _restore_order(exchange: PaperExchange, order: Order) -> None:
    """Let an order rest again, behind those restored before it."""
    exchange.books[order.ticker].own(order.side).add(order)
    exposure = exchange.exposure(exchange.members[order.user_id].accounts[order.subaccount], order.ticker)
    exposure.add(order)
    exposure.add_hold(order.side, order.hold)
    if order.reduce_only:
        exposure.reduce_only[order.order_id] = order
    exchange.relock(exposure)
    if order.expiration_ms is not None:
        heappush(exchange.expirations, (order.expiration_ms, order.order_id))


def _restore_tops(exchange: PaperExchange) -> None:
    """Best prices of the orders that are left; candles hear of prices only when something trades or quotes again."""
    for ticker, market in exchange.markets.items():
        book = exchange.books[ticker]
        market.yes_bid, market.yes_bid_size = book.yes.best or 0, book.yes.best_size
        market.yes_ask, market.yes_ask_size = DOLLAR_PRICE - (book.no.best or 0), book.no.best_size
