"""Follows an exchange and says what has changed since it was last asked."""

from collections.abc import Sequence

from apps.paper.engine.accounts import Account, Member, Payment, Transfer
from apps.paper.engine.catalogue import Market, MarketEvent, Series
from apps.paper.engine.combos import Collection
from apps.paper.engine.events import (
    AccountChanged,
    BookDelta,
    ClientOrderIdUsed,
    CollectionChanged,
    ComboLookedUp,
    Deposited,
    Event,
    EventListed,
    MarketChanged,
    MarketLifecycle,
    OrderChanged,
    OrderGroupChanged,
    PaymentChanged,
    PositionChanged,
    QuoteChanged,
    RfqChanged,
    SettlementPaid,
    TickerChanged,
    Transferred,
)
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.groups import OrderGroup
from apps.paper.engine.orders import Fill, Order, Settlement, Trade
from apps.paper.engine.rfq import Quote, Rfq
from apps.paper.engine.snapshot import Changes, Figures, MemberRow, account_row, candle_state, totals_of


class ChangeLog:
    """What is different since `drain` was called last. Put `hear` where whole actions are told (`on_whole`)."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._since_s = 0
        self.clear()

    def clear(self) -> None:
        """Begin anew: all there is now is known already."""
        self._members: dict[str, Member] = {}
        self._accounts: dict[tuple[str, int], Account] = {}
        self._positions: dict[tuple[str, int, str], None] = {}
        self._orders: dict[str, Order] = {}
        self._fills: list[Fill] = []
        self._settlements: list[Settlement] = []
        self._transfers: list[Transfer] = []
        self._payments: dict[str, Payment] = {}
        self._groups: dict[str, OrderGroup] = {}
        self._rfqs: dict[str, Rfq] = {}
        self._quotes: dict[str, Quote] = {}
        self._used_ids: dict[tuple[str, str], None] = {}
        self._trades: list[Trade] = []
        self._quoted: dict[str, Market] = {}
        self._listed: dict[str, Market] = {}
        self._events: dict[str, MarketEvent] = {}
        self._collections: dict[str, Collection] = {}
        # Candles change only at the end: those of the minute before this instant and later may be new.
        self._since_s = self._exchange.clock.now_ms() // 1000 - 60

    def hear(self, told: Sequence[Event]) -> bool:
        """Take in a whole action; True when no kill may lose it: a member with a history or a market moved."""
        concerned = False
        for event in told:
            match event:
                case BookDelta():
                    pass
                case TickerChanged():
                    self._quoted[event.market.ticker] = event.market
                case OrderChanged():
                    concerned |= self._hear_order(event.order)
                case Trade():
                    self._trades.append(event)
                case Fill():
                    concerned |= self._hear_fill(event)
                case PositionChanged():
                    position = event.position
                    self._positions[position.user_id, position.subaccount, position.ticker] = None
                case MarketLifecycle():
                    self._listed[event.market.ticker] = event.market
                    # A result or a pause that was told must not be taken back by a kill.
                    concerned |= event.type != "created" or self._made_by_member(event.market)
                case MarketChanged() | ComboLookedUp():
                    self._listed[event.market.ticker] = event.market
                case EventListed():
                    self._events[event.event.ticker] = event.event
                case CollectionChanged():
                    self._collections[event.collection.ticker] = event.collection
                case Deposited():
                    concerned |= self._hear_deposit(self._exchange.members[event.account.user_id])
                case PaymentChanged():
                    self._payments[event.payment.payment_id] = event.payment
                    concerned = True
                case AccountChanged():
                    self._touch_account(event.account)
                    concerned |= self._keeps(event.account.user_id)
                case Transferred():
                    self._transfers.append(event.transfer)
                    self._touch_account(event.source)
                    self._touch_account(event.target)
                    concerned = True
                case OrderGroupChanged():
                    self._groups[event.group.group_id] = event.group
                    concerned |= self._keeps(event.group.user_id)
                case RfqChanged() if event.rfq.kept:
                    self._rfqs[event.rfq.rfq_id] = event.rfq
                    concerned = True
                case QuoteChanged() if event.quote.kept:
                    self._quotes[event.quote.quote_id] = event.quote
                    concerned = True
                case SettlementPaid():
                    concerned |= self._hear_settlement(event.settlement, event.account)
                case ClientOrderIdUsed():
                    concerned |= self._hear_used(event.user_id, event.client_order_id)
        return concerned

    def drain(self) -> Changes | None:
        """What has changed, None when nothing has. Encode it before anything else happens: it is not a copy."""
        exchange = self._exchange
        heard = (self._accounts, self._orders, self._used_ids, self._groups, self._quoted, self._listed)
        more = (self._events, self._collections, self._payments, self._rfqs, self._quotes)
        if not any((*heard, *more)):
            return None  # trades, fills and positions come with an account at least
        tickers = dict.fromkeys((*self._events, *(market.event_ticker for market in self._listed.values())))
        events = {ticker: exchange.events[ticker] for ticker in tickers}
        series: dict[str, Series] = {e.series_ticker: exchange.series[e.series_ticker] for e in events.values()}
        changes = Changes(
            totals=totals_of(exchange),
            members=[MemberRow(m.user_id, m.name, m.keeps_history, m.subtraders) for m in self._members.values()],
            accounts=[account_row(account) for account in self._accounts.values()],
            positions=[
                exchange.members[user_id].accounts[number].exposures[ticker].position
                for user_id, number, ticker in self._positions
            ],
            orders=list(self._orders.values()),
            fills=self._fills,
            settlements=self._settlements,
            transfers=self._transfers,
            payments=list(self._payments.values()),
            groups=[group for group_id, group in self._groups.items() if group_id in exchange.order_groups],
            groups_gone=[group_id for group_id in self._groups if group_id not in exchange.order_groups],
            rfqs=[rfq for rfq_id, rfq in self._rfqs.items() if rfq_id in exchange.board.rfqs],
            rfqs_gone=[rfq_id for rfq_id in self._rfqs if rfq_id not in exchange.board.rfqs],
            quotes=[quote for quote_id, quote in self._quotes.items() if quote_id in exchange.board.quotes],
            quotes_gone=[quote_id for quote_id in self._quotes if quote_id not in exchange.board.quotes],
            used_ids=list(self._used_ids),
            trades=self._trades,
            figures=[_figures(market) for market in self._quoted.values()],
            candles={t: candle_state(exchange.candles[t], since_s=self._since_s) for t in self._quoted},
            series=list(series.values()),
            events=list(events.values()),
            markets=list(self._listed.values()),
            collections=list(self._collections.values()),
        )
        self.clear()
        return changes

    def _keeps(self, user_id: str) -> bool:
        return self._exchange.members[user_id].keeps_history

    def _made_by_member(self, market: Market) -> bool:
        return bool(market.created_by) and self._keeps(market.created_by)

    def _touch_account(self, account: Account) -> None:
        self._accounts[account.user_id, account.subaccount] = account

    def _hear_deposit(self, member: Member) -> bool:
        """A first deposit is how a member with its subaccounts begins."""
        self._members[member.user_id] = member
        for account in member.accounts.values():
            self._touch_account(account)
        return member.keeps_history

    def _hear_order(self, order: Order) -> bool:
        if not self._keeps(order.user_id):
            return False
        self._orders[order.order_id] = order
        self._hear_used(order.user_id, order.client_order_id)
        # With the first order in a market the (empty) position comes into being.
        self._positions[order.user_id, order.subaccount, order.ticker] = None
        return True

    def _hear_used(self, user_id: str, client_order_id: str) -> bool:
        if not client_order_id or not self._keeps(user_id):
            return False
        self._used_ids[user_id, client_order_id] = None
        return True

    def _hear_settlement(self, settlement: Settlement, account: Account) -> bool:
        self._touch_account(account)
        if not self._keeps(account.user_id):
            return False
        self._settlements.append(settlement)
        return True

    def _hear_fill(self, fill: Fill) -> bool:
        self._touch_account(self._exchange.members[fill.user_id].accounts[fill.subaccount])
        if not self._keeps(fill.user_id):
            return False
        self._fills.append(fill)
        return True


def _figures(market: Market) -> Figures:
    return Figures(
        market.ticker,
        market.status,
        market.last_price,
        market.last_size,
        market.last_trade_ms,
        market.volume,
        market.dollar_volume,
        market.open_interest,
    )
