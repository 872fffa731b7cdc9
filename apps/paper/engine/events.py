"""What the exchange tells its listeners, in order, after each whole action. `Trade` and `Fill` are told as they are."""

from dataclasses import dataclass, field
from typing import Literal

from apps.paper.engine.accounts import Account, Payment, Position, Transfer
from apps.paper.engine.catalogue import Market, MarketEvent
from apps.paper.engine.combos import Collection
from apps.paper.engine.groups import GroupStep, OrderGroup
from apps.paper.engine.orders import Fill, Order, Settlement, Trade
from apps.paper.engine.rfq import Quote, QuoteStep, Rfq, RfqStep
from apps.paper.engine.units import Outcome

LifecycleType = Literal[
    "created",
    "deactivated",
    "activated",
    "close_date_updated",
    "determined",
    "settled",
    "price_level_structure_updated",
    "metadata_updated",
]


@dataclass(frozen=True, slots=True)
class BookDelta:
    """Resting size at one price changed. `price_units` in the price of its own `side` (NO price on the NO side).

    order_id, client_order_id, user_id and subaccount name the order that caused the change: the taker's for a trade.
    """

    ticker: str
    side: Outcome
    price_units: int
    delta_units: int
    ts_ms: int
    order_id: str
    client_order_id: str
    user_id: str
    subaccount: int


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order is new or different. Read the order at once: it lives on."""

    order: Order


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position is different. Read it at once: it lives on."""

    position: Position
    ts_ms: int


@dataclass(frozen=True, slots=True)
class TickerChanged:
    """Best prices, sizes, last trade, volume or open interest of a market changed."""

    market: Market
    ts_ms: int


@dataclass(frozen=True, slots=True)
class MarketLifecycle:
    """A step in a market's life that the lifecycle channel tells (opening and closing by the clock are not told)."""

    type: LifecycleType
    market: Market
    ts_ms: int
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventListed:
    """A new event. Its markets follow as `MarketLifecycle` of type created."""

    event: MarketEvent
    ts_ms: int


@dataclass(frozen=True, slots=True)
class MarketChanged:
    """Something of a market changed that no channel tells. Read the market at once: it lives on."""

    market: Market


@dataclass(frozen=True, slots=True)
class ComboLookedUp:
    """Somebody looked up the market of a combination (deprecated channel `multivariate`)."""

    market: Market
    ts_ms: int


@dataclass(frozen=True, slots=True)
class CollectionChanged:
    """A multivariate collection is new or takes other events. Read it at once: it lives on."""

    collection: Collection


@dataclass(frozen=True, slots=True)
class Deposited:
    """Money came to an account from outside, or went there."""

    account: Account


@dataclass(frozen=True, slots=True)
class PaymentChanged:
    """A deposit or withdrawal is new or has come a step further (`Deposited` tells when money moved)."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """A subaccount is new, or set up differently."""

    account: Account


@dataclass(frozen=True, slots=True)
class Transferred:
    """Cash went from one subaccount of a member to another."""

    transfer: Transfer
    source: Account
    target: Account


@dataclass(frozen=True, slots=True)
class ClientOrderIdUsed:
    """A refused order has used up its client order id (a fill-or-kill order that could not be filled whole)."""

    user_id: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class OrderGroupChanged:
    """A step of an order group, or (`matched`) more in its window. Read the group at once: it lives on."""

    group: OrderGroup
    step: GroupStep
    ts_ms: int


@dataclass(frozen=True, slots=True)
class RfqChanged:
    """A step of an RFQ; only `created` and `deleted` are told, to everybody."""

    rfq: Rfq
    step: RfqStep
    ts_ms: int


@dataclass(frozen=True, slots=True)
class QuoteChanged:
    """A step of a quote; only `created`, `accepted` and `executed` are told, to its two sides."""

    quote: Quote
    step: QuoteStep
    ts_ms: int


@dataclass(frozen=True, slots=True)
class SettlementPaid:
    """A position of a settled market was paid out to this account."""

    settlement: Settlement
    account: Account


Event = (
    BookDelta
    | Trade
    | Fill
    | OrderChanged
    | PositionChanged
    | TickerChanged
    | MarketLifecycle
    | EventListed
    | MarketChanged
    | ComboLookedUp
    | CollectionChanged
    | Deposited
    | PaymentChanged
    | AccountChanged
    | Transferred
    | ClientOrderIdUsed
    | OrderGroupChanged
    | RfqChanged
    | QuoteChanged
    | SettlementPaid
)
