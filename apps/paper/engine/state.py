"""What the exchange holds, and how it tells its listeners."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from apps.paper.engine.accounts import Account, ApiKeyRecord, Exposure, Member, Payment, Position
from apps.paper.engine.book import Book
from apps.paper.engine.candles import CandleStore
from apps.paper.engine.catalogue import Market, MarketEvent, Series
from apps.paper.engine.combos import Collection, ComboRules
from apps.paper.engine.errors import ExchangeError, invalid_parameters
from apps.paper.engine.events import (
    Deposited,
    Event,
    OrderChanged,
    PaymentChanged,
    PositionChanged,
    TickerChanged,
)
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.groups import OrderGroup, TriggersAt
from apps.paper.engine.ids import IdSource
from apps.paper.engine.maintenance import Window
from apps.paper.engine.orders import Order, Trade
from apps.paper.engine.rfq import RfqRules
from apps.paper.engine.rfq_board import RfqBoard
from apps.paper.engine.units import CENT, DOLLAR_PRICE

MARKET_TRADES = 5_000  # newest trades remembered per market
ALL_TRADES = 100_000  # newest trades remembered over all markets

Listener = Callable[[Event], None]
Maintenance = Literal["off", "trading", "exchange"]  # what pauses in the weekly window
# What becomes of an order whose expiration is over when it comes: immediate-or-cancel, or a refusal.
PastExpiration = Literal["immediate", "refused"]
# How long a client order id stays used: for good, while its order rests, or for `dedupe_window_ms`.
Dedupe = Literal["forever", "open_only", "window"]
# What a transfer with a client transfer id of before is answered: a refusal, or the same as the first time.
TransferRepeat = Literal["conflict", "accept"]


class Clock(Protocol):
    """Unix milliseconds, never going back."""

    def now_ms(self) -> int: ...


class ExchangeState:
    """Catalogue, members, books and trades; `deposited`, `fees` and `collateral` close the sum of all money.

    At any instant: deposited = cash of all accounts + fees + collateral (micro-dollars).
    """

    def __init__(self, *, clock: Clock, seed: int = 1) -> None:
        self.clock = clock
        self.seed = seed
        self.members: dict[str, Member] = {}
        self.keys: dict[str, ApiKeyRecord] = {}
        self.series: dict[str, Series] = {}
        self.events: dict[str, MarketEvent] = {}
        self.markets: dict[str, Market] = {}
        self.books: dict[str, Book] = {}
        self.candles: dict[str, CandleStore] = {}
        self.all_trades: deque[Trade] = deque(maxlen=ALL_TRADES)
        self.market_trades: dict[str, deque[Trade]] = {}
        self.all_orders: dict[str, Order] = {}
        self.exchange_active = True
        self.trading_active = True
        self.deposited = 0
        self.fees = 0
        self.collateral = 0
        self.expirations: list[tuple[int, str]] = []  # heap of (ms, order id)
        self.openings: list[tuple[int, str]] = []  # heap of (ms, ticker)
        self.closings: list[tuple[int, str]] = []  # heap of (ms, ticker)
        self.determinations: list[tuple[int, str]] = []  # heap of (ms, ticker)
        self.settlements_due: list[tuple[int, str]] = []  # heap of (ms, ticker)
        self.determine_after_ms: int | None = None
        self.maintenance: Maintenance = "off"
        self.maintenance_window: Window | None = None  # the present one or the next; None when there are none
        self.in_maintenance = False
        self.collections: dict[str, Collection] = {}
        self.combo_rules = ComboRules()
        self.combos_of_leg: dict[str, list[str]] = {}  # ticker of a leg -> tickers of the combos
        self.combo_creations: dict[str, list[int]] = {}  # user id -> when (ms)
        self.order_groups: dict[str, OrderGroup] = {}
        self.group_triggers_at: TriggersAt = "reached"
        self.board = RfqBoard()
        self.rfq_rules = RfqRules()
        self.dedupe: Dedupe = "forever"
        self.dedupe_window_ms = 0
        self.past_expiration: PastExpiration = "immediate"
        self.most_subaccounts = 32  # numbered ones, beside the primary
        self.transfer_repeat: TransferRepeat = "conflict"
        self.ids = IdSource(seed=seed)
        self.sequence = 0
        self.on_whole: Callable[[list[Event]], None] | None = None  # hears of each whole action before the listeners
        self._listeners: list[Listener] = []
        self._told: list[Event] = []
        self._orders_touched: dict[str, Order] = {}
        self._positions_touched: dict[tuple[str, int, str], Position] = {}
        self._markets_touched: dict[str, bool] = {}  # ticker -> whether it traded

    def next_sequence(self) -> int:
        """A number that rises with every order, trade and fill."""
        self.sequence += 1
        return self.sequence

    # Members

    def add_member(
        self, *, name: str, user_id: str, cash_cents: int, subaccounts: int = 0, keeps_history: bool = True
    ) -> Member:
        """Add a member with cash in the primary subaccount (0) and empty subaccounts 1..subaccounts."""
        if user_id in self.members:
            raise ValueError(f"member {user_id} exists already")
        now = self.clock.now_ms()
        accounts = {
            n: Account(user_id=user_id, subaccount=n, cash=0, updated_ms=now, created_ms=now)
            for n in range(subaccounts + 1)
        }
        member = Member(user_id=user_id, name=name, accounts=accounts, keeps_history=keeps_history)
        self.members[user_id] = member
        self.deposit(user_id, cents=cash_cents)
        return member

    def deposit(self, user_id: str, *, cents: int, subaccount: int = 0) -> None:
        """Money from outside, there at once; a member with a history finds it among the deposits."""
        if cents < 0:
            raise ValueError("a deposit cannot be negative")
        account = self.account(user_id, subaccount)
        member, now = self.members[user_id], self.clock.now_ms()
        account.cash += cents * CENT
        account.updated_ms = now
        self.deposited += cents * CENT
        self.tell(Deposited(account))
        if cents and member.keeps_history:
            payment = Payment(
                payment_id=self.ids.uuid(),
                sequence=self.next_sequence(),
                user_id=user_id,
                kind="deposit",
                method="wire",
                cents=cents,
                fee_cents=0,
                steps=[(now, "pending"), (now, "applied")],
                subaccount=subaccount,
            )
            member.payments[payment.payment_id] = payment
            self.tell(PaymentChanged(payment))
        self.flush()

    def add_key(
        self, *, user_id: str, key_id: str, public_key_pem: str, scopes: Iterable[str], name: str = ""
    ) -> ApiKeyRecord:
        """Register a public key for a member."""
        self.member(user_id)
        if key_id in self.keys:
            raise ValueError(f"key {key_id} exists already")
        record = ApiKeyRecord(
            key_id=key_id, user_id=user_id, public_key_pem=public_key_pem, scopes=tuple(scopes), name=name
        )
        self.keys[key_id] = record
        return record

    def member(self, user_id: str) -> Member:
        """The member.

        Raises:
            KeyError: there is none; callers have authenticated the member before.
        """
        return self.members[user_id]

    def account(self, user_id: str, subaccount: int) -> Account:
        """A member's subaccount, or a refusal."""
        account = self.member(user_id).accounts.get(subaccount)
        if account is None:
            raise invalid_parameters(f"subaccount {subaccount} does not exist")
        return account

    def exposure(self, account: Account, ticker: str) -> Exposure:
        """The account's side of a market, made on first need."""
        exposure = account.exposures.get(ticker)
        if exposure is None:
            event_ticker = self.markets[ticker].event_ticker
            exposure = account.exposures[ticker] = Exposure(
                Position(
                    user_id=account.user_id, subaccount=account.subaccount, ticker=ticker, event_ticker=event_ticker
                )
            )
        return exposure

    def check_exchange(self) -> None:
        """Refuse while the exchange is paused: nothing but reads then.

        Raises:
            ExchangeError: 400.
        """
        if not self.exchange_active:
            raise ExchangeError("exchange_is_paused", "the exchange is paused", 400, details="EXCHANGE_PAUSED")

    # Catalogue

    def market(self, ticker: str) -> Market:
        """The market, or a refusal."""
        market = self.markets.get(ticker)
        if market is None:
            raise ExchangeError("market_not_found", f"market {ticker} not found", 404)
        return market

    def index_combo(self, market: Market) -> None:
        """Note what a combo depends on and who created it; nothing for other markets."""
        for leg in market.legs:
            self.combos_of_leg.setdefault(leg.market_ticker, []).append(market.ticker)
        if market.created_by:
            self.combo_creations.setdefault(market.created_by, []).append(market.created_ms)

    def fee_schedule(self, market: Market, ts_ms: int) -> FeeSchedule:
        """What holds for a market at an instant: the event's own schedule wins over the series'."""
        override = self.events[market.event_ticker].fee_override
        return override or self.series[market.series_ticker].fees_at(ts_ms)

    # Telling

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every event, in order, after each whole action. It must not act on the exchange."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Stop calling it."""
        self._listeners.remove(listener)

    def tell(self, event: Event) -> None:
        """Keep an event until the action is whole."""
        self._told.append(event)

    def touch_order(self, order: Order) -> None:
        """Tell of this order when the action is whole, once."""
        self._orders_touched[order.order_id] = order

    def touch_position(self, position: Position) -> None:
        """Tell of this position when the action is whole, once."""
        self._positions_touched[(position.user_id, position.subaccount, position.ticker)] = position

    def touch_market(self, ticker: str, *, traded: bool = False) -> None:
        """Look for changed best prices when the action is whole."""
        self._markets_touched[ticker] = traded or self._markets_touched.get(ticker, False)

    def flush(self) -> None:
        """The action is whole: tell what happened."""
        now = self.clock.now_ms()
        told, self._told = self._told, []
        told += [OrderChanged(order) for order in self._orders_touched.values()]
        told += [PositionChanged(position, now) for position in self._positions_touched.values()]
        self._orders_touched.clear()
        self._positions_touched.clear()
        for ticker, traded in self._markets_touched.items():
            if self._refresh_top(self.markets[ticker], now) or traded:
                told.append(TickerChanged(self.markets[ticker], now))
        self._markets_touched.clear()
        if told and self.on_whole is not None:
            self.on_whole(told)
        for listener in self._listeners:
            for event in told:
                listener(event)

    def _refresh_top(self, market: Market, now: int) -> bool:
        """Copy the best prices of the book to the market; say whether they changed."""
        book = self.books[market.ticker]
        bid, no_bid = book.yes.best or 0, book.no.best or 0
        top = (bid, book.yes.best_size, DOLLAR_PRICE - no_bid, book.no.best_size)
        if top == (market.yes_bid, market.yes_bid_size, market.yes_ask, market.yes_ask_size):
            return False
        if (top[0], top[2]) != (market.yes_bid, market.yes_ask):
            self.candles[market.ticker].quote(
                ts_ms=now, yes_bid=top[0], yes_ask=top[2], open_interest=market.open_interest
            )
        market.yes_bid, market.yes_bid_size, market.yes_ask, market.yes_ask_size = top
        return True
