"""Series, events and markets: what REST and the lifecycle channel tell about them."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.grids import PRICE_LEVEL_STRUCTURES, PriceRange
from apps.paper.engine.units import DOLLAR_PRICE, Outcome

MarketStatus = Literal["initialized", "inactive", "active", "closed", "determined", "disputed", "amended", "finalized"]
MarketResult = Literal["yes", "no", "scalar", "void", ""]


@dataclass(slots=True)
class SettlementSource:
    """Where the outcome is read."""

    name: str
    url: str


@dataclass(slots=True)
class Series:
    """Related events. `fees` is what holds from the beginning; `fee_changes` are dated, later ones win."""

    ticker: str
    title: str
    category: str
    frequency: str
    tags: list[str]
    settlement_sources: list[SettlementSource]
    contract_url: str
    contract_terms_url: str
    fees: FeeSchedule
    fee_changes: list[FeeSchedule] = field(default_factory=list)
    product_metadata: dict[str, object] = field(default_factory=dict)
    additional_prohibitions: list[str] = field(default_factory=list)
    updated_ms: int = 0

    def fees_at(self, ts_ms: int) -> FeeSchedule:
        """The schedule in force at an instant."""
        due = [change for change in self.fee_changes if change.from_ms <= ts_ms]
        return max(due, key=lambda change: change.from_ms) if due else self.fees


@dataclass(slots=True)
class MarketEvent:
    """An event: a collection of markets on one question. ``fee_override`` wins over the series' fees.

    ``collection_ticker`` only for events of combos: the multivariate collection they were created in.
    """

    ticker: str
    series_ticker: str
    title: str
    sub_title: str
    category: str
    mutually_exclusive: bool
    collateral_return_type: str = ""
    strike_ms: int | None = None
    strike_period: str | None = None
    available_on_brokers: bool = True
    product_metadata: dict[str, object] | None = None
    fee_override: FeeSchedule | None = None
    market_tickers: list[str] = field(default_factory=list)
    updated_ms: int = 0
    collection_ticker: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One market that a combo depends on, and the outcome it needs of it.

    ``settlement_value``: what a YES contract of that market brings (price units), once it is determined.
    """

    event_ticker: str
    market_ticker: str
    side: Outcome
    settlement_value: int | None = None


@dataclass(slots=True)
class Market:
    """One binary market. Prices are of the YES leg; an empty bid is 0, an empty ask is one dollar, both of size 0.

    ``open_interest`` and ``volume`` include what was traded before this exchange started (its invented history).
    """

    ticker: str
    event_ticker: str
    series_ticker: str
    market_id: str
    title: str
    yes_sub_title: str
    no_sub_title: str
    rules_primary: str
    rules_secondary: str
    created_ms: int
    open_ms: int
    close_ms: int
    expected_expiration_ms: int
    latest_expiration_ms: int
    price_level_structure: str = "linear_cent"
    subtitle: str = ""
    updated_ms: int = 0
    settlement_timer_seconds: int = 3600
    status: MarketStatus = "active"
    result: MarketResult = ""
    settlement_value: int | None = None
    determined_ms: int | None = None
    settled_ms: int | None = None
    expiration_value: str = ""
    occurrence_ms: int | None = None
    can_close_early: bool = True
    early_close_condition: str | None = None
    fee_waiver_until_ms: int | None = None
    strike_type: str | None = None
    floor_strike: Decimal | None = None
    cap_strike: Decimal | None = None
    functional_strike: str | None = None
    custom_strike: dict[str, object] | None = None
    primary_participant_key: str | None = None
    collection_ticker: str | None = None  # combos only: the multivariate collection it was created in
    legs: tuple[Leg, ...] = ()  # combos only
    created_by: str = ""  # combos only: the member that created it, "" for the exchange itself
    looked_up_ms: int | None = None  # combos only: when somebody looked it up last
    yes_bid: int = 0
    yes_bid_size: int = 0
    yes_ask: int = DOLLAR_PRICE
    yes_ask_size: int = 0
    last_price: int = 0
    last_size: int = 0
    last_trade_ms: int = 0
    volume: int = 0
    dollar_volume: int = 0  # micro-dollars: YES price x count of every trade
    open_interest: int = 0

    @property
    def is_combo(self) -> bool:
        """Whether its result follows from other markets'. Combos are High Volatility Markets (docs: rfqs, timing)."""
        return bool(self.legs)

    @property
    def price_ranges(self) -> tuple[PriceRange, ...]:
        """The grid of this market."""
        return PRICE_LEVEL_STRUCTURES[self.price_level_structure]

    @property
    def no_bid(self) -> int:
        """Best NO bid: what the best YES ask is on the other leg."""
        return DOLLAR_PRICE - self.yes_ask

    @property
    def no_ask(self) -> int:
        """Best NO ask."""
        return DOLLAR_PRICE - self.yes_bid


@dataclass(frozen=True, slots=True)
class MarketStatistics:
    """Rolling figures of a market: 24-hour volume (by whole hours) and the quote and last price a day ago."""

    volume_24h: int
    previous_yes_bid: int
    previous_yes_ask: int
    previous_price: int
