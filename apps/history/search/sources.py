"""What can be searched: of each kind of record its rows, its columns, and which filters it knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BigIntegerField, Case, CharField, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from apps.accounts.grants import within
from apps.core.money import PRICE_UNITS_PER_DOLLAR
from apps.core.permissions import Actor, Permission
from apps.core.rfq import QuoteState, RfqState
from apps.history.models import ChosenMarket, PublicTrade
from apps.history.search.columns import Column, Kind, units
from apps.orders.access import fills_visible_to, intents_visible_to, orders_visible_to, require_somewhere
from apps.orders.models import BookSide, Order, OrderIntent
from apps.portfolio.models import Settlement
from apps.rfq.access import quotes_visible_to, rfqs_visible_to

ELSEWHERE = "external"  # instead of a person: placed on the exchange's own site, or by another tool
SIDES = {"yes": "Buys YES", "no": "Buys NO"}
_BOOK_SIDES = {"yes": BookSide.BID.value, "no": BookSide.ASK.value}


@dataclass(frozen=True, slots=True)
class Id:
    """Where an id of the exchange or of ours is found by index: within accounts or environments, as `scope` says."""

    path: str
    scope: str = ""
    is_uuid: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of record.

    rows: what the actor may see; raises NotAllowed. at: the moment that rows are ordered by.
    Empty paths: the kind has no such filter.
    people: paths to a person's row id; any of them matches. elsewhere: what is of nobody on the desk.
    of_market: rows of public markets, which belong to no account.
    """

    kind: str
    label: str
    rows: Callable[[Actor], QuerySet[Any]]
    at: Any
    columns: tuple[Column, ...]
    states: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    side: str = ""
    sides: Mapping[str, str] = field(default_factory=lambda: _BOOK_SIDES)
    people: tuple[str, ...] = ()
    elsewhere: Q | None = None
    source: str = ""
    subaccount: str = "subaccount"
    size: str = ""
    price: str = ""
    ids: tuple[Id, ...] = ()
    of_market: bool = False


def _outcome(path: str = "book_side") -> Case:
    return Case(When(**{path: BookSide.BID}, then=Value("yes")), default=Value("no"), output_field=CharField())


_ENTERED = Case(
    When(intent__entered_as__gt="", then=F("intent__entered_as")),
    When(book_side=BookSide.BID, then=Value("buy_yes")),
    default=Value("buy_no"),
    output_field=CharField(),
)
# Price units times count units are money units.
_FILL_COST = Case(
    When(book_side=BookSide.BID, then=units("yes_price") * units("count")),
    default=(Value(PRICE_UNITS_PER_DOLLAR) - units("yes_price")) * units("count"),
    output_field=BigIntegerField(),
)

_TIME = "Time"
_ACCOUNT = (
    Column("account", "Account", Kind.ACCOUNT, "account_id"),
    Column("environment", "Environment", Kind.TEXT, "account__environment"),
    Column("subaccount", "Sub", Kind.INTEGER, "subaccount", "Subaccount"),
)

ORDER_AT = Coalesce("created_at", "seen_at")

ORDERS = Source(
    kind="orders",
    label="Orders",
    rows=orders_visible_to,
    at=ORDER_AT,
    columns=(
        Column("time_utc", _TIME, Kind.TIME, ORDER_AT, "Created, exchange clock; where it did not say, first seen"),
        *_ACCOUNT,
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("side", "Side", Kind.TEXT, _ENTERED, "As it was entered, else the outcome that it buys"),
        Column("outcome", "Outcome", Kind.TEXT, _outcome(), "What it buys: yes or no", is_shown=False),
        Column("yes_price_dollars", "YES price", Kind.PRICE, units("price")),
        Column("contracts", "Contracts", Kind.COUNT, units("initial_count")),
        Column("filled_contracts", "Filled", Kind.COUNT, units("filled_count")),
        Column("remaining_contracts", "Left", Kind.COUNT, units("remaining_count")),
        Column("fill_cost_dollars", "Cost", Kind.MONEY, units("fill_cost"), "Of its fills, without fees"),
        Column("fees_dollars", "Fees", Kind.MONEY, units("fees"), "As the exchange booked them"),
        Column("state", "State", Kind.TEXT, "status"),
        Column("person", "Placed by", Kind.PERSON, "intent__placed_by_id"),
        Column("source", "Source", Kind.TEXT, "source", "What told the desk last: answer, ws, rest or fix"),
        Column("order_group_id", "Order group", Kind.ID, "order_group_id", is_shown=False),
        Column("expires_at_utc", "Expires", Kind.TIME, "expires_at", is_shown=False),
        Column("updated_at_utc", "Updated", Kind.TIME, "updated_at"),
        Column("order_id", "Order id", Kind.ID, "order_id"),
        Column("client_order_id", "Client order id", Kind.ID, "client_order_id", is_shown=False),
    ),
    states=dict(Order.Status.choices),
    state="status",
    side="book_side",
    people=("intent__placed_by_id",),
    elsewhere=Q(intent=None),
    source="source",
    size="initial_count",
    price="price",
    ids=(Id("order_id", "account_id"), Id("intent__client_order_id", is_uuid=True)),
)

FILLS = Source(
    kind="fills",
    label="Fills",
    rows=fills_visible_to,
    at=F("traded_at"),
    columns=(
        Column("time_utc", _TIME, Kind.TIME, "traded_at", "Exchange clock"),
        *_ACCOUNT,
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("outcome", "Outcome", Kind.TEXT, _outcome(), "What was bought: yes or no"),
        Column("yes_price_dollars", "YES price", Kind.PRICE, units("yes_price")),
        Column("contracts", "Contracts", Kind.COUNT, units("count")),
        Column("cost_dollars", "Cost", Kind.MONEY, _FILL_COST, "Of the outcome bought, without the fee"),
        Column("fee_dollars", "Fee", Kind.MONEY, units("fee"), "As the exchange booked it"),
        Column("is_taker", "Taker", Kind.FLAG, "is_taker"),
        Column("person", "Placed by", Kind.PERSON, "order__intent__placed_by_id"),
        Column("source", "Source", Kind.TEXT, "source", "What told the desk first: ws, rest or fix"),
        Column("trade_id", "Trade id", Kind.ID, "trade_id"),
        Column("order_id", "Order id", Kind.ID, "order_id_text"),
    ),
    side="book_side",
    people=("order__intent__placed_by_id",),
    elsewhere=Q(order__intent=None),
    source="source",
    size="count",
    price="yes_price",
    ids=(Id("trade_id", "account_id"), Id("order__order_id", "order__account_id")),
)


def _trades(actor: Actor) -> QuerySet[PublicTrade]:
    require_somewhere(actor, Permission.DESK_VIEW)
    return PublicTrade.objects.all()


TRADES = Source(
    kind="trades",
    label="Public trades",
    rows=_trades,
    at=F("traded_at"),
    columns=(
        Column("time_utc", _TIME, Kind.TIME, "traded_at", "Exchange clock"),
        Column("environment", "Environment", Kind.TEXT, "environment"),
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("taker_outcome", "Taker bought", Kind.TEXT, "taker_side"),
        Column("yes_price_dollars", "YES price", Kind.PRICE, units("yes_price")),
        Column("contracts", "Contracts", Kind.COUNT, units("count")),
        Column("trade_id", "Trade id", Kind.ID, "trade_id"),
    ),
    side="taker_side",
    sides={"yes": "yes", "no": "no"},
    subaccount="",
    size="count",
    price="yes_price",
    ids=(Id("trade_id", "environment"),),
    of_market=True,
)


def _settlements(actor: Actor) -> QuerySet[Settlement]:
    theirs = within(require_somewhere(actor, Permission.DESK_VIEW))
    return Settlement.objects.filter(theirs, account__desk_id=actor.desk_id)


SETTLEMENTS = Source(
    kind="settlements",
    label="Settlements",
    rows=_settlements,
    at=F("settled_at"),
    columns=(
        Column("time_utc", _TIME, Kind.TIME, "settled_at", "Exchange clock"),
        *_ACCOUNT,
        Column("event", "Event", Kind.ID, "event_ticker", is_shown=False),
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("result", "Result", Kind.TEXT, "result", "yes, no, scalar or void"),
        Column("yes_contracts", "YES held", Kind.COUNT, units("yes_count")),
        Column("yes_cost_dollars", "YES cost", Kind.MONEY, units("yes_cost")),
        Column("no_contracts", "NO held", Kind.COUNT, units("no_count")),
        Column("no_cost_dollars", "NO cost", Kind.MONEY, units("no_cost")),
        Column("yes_value_dollars", "YES value", Kind.PRICE, units("value"), "Of one contract, cut to whole cents"),
        Column("revenue_dollars", "Paid", Kind.MONEY, units("revenue")),
        Column("fees_dollars", "Fees", Kind.MONEY, units("fees"), "All fees of the position, those of fills included"),
        Column("revision", "Revision", Kind.INTEGER, "revision", "Above 1: the exchange corrected an earlier one"),
        Column("is_current", "Counts", Kind.FLAG, "is_current", "False: corrected since", is_shown=False),
        Column("source", "Source", Kind.TEXT, "source", is_shown=False),
    ),
    states={"yes": "YES", "no": "NO", "scalar": "Scalar", "void": "Void"},
    state="result",
    source="source",
)

RFQS = Source(
    kind="rfqs",
    label="Requests (RFQ)",
    rows=rfqs_visible_to,
    at=F("created_at"),
    columns=(
        Column("time_utc", _TIME, Kind.TIME, "created_at", "The desk's clock"),
        *_ACCOUNT,
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("contracts", "Contracts", Kind.COUNT, units("contracts")),
        Column("target_cost_dollars", "Target cost", Kind.MONEY, units("target_cost")),
        Column("state", "State", Kind.TEXT, "state"),
        Column("person", "Asked by", Kind.PERSON, "placed_by_id"),
        Column("owner", "Owner", Kind.PERSON, "owner_id", is_shown=False),
        Column("closed_at_utc", "Closed", Kind.TIME, "closed_at"),
        Column("reason", "Reason", Kind.TEXT, "closing_reason"),
        Column("note", "Note", Kind.TEXT, "note"),
        Column("rfq_id", "RFQ id", Kind.ID, "rfq_id"),
    ),
    states={state.value: state.value.replace("_", " ").capitalize() for state in RfqState},
    state="state",
    people=("placed_by_id", "owner_id"),
    elsewhere=Q(placed_by=None),
    size="contracts",
    ids=(Id("rfq_id", "account_id"),),
)

QUOTES = Source(
    kind="quotes",
    label="Quotes sent",
    rows=quotes_visible_to,
    at=F("created_at"),
    columns=(
        Column("time_utc", _TIME, Kind.TIME, "created_at", "The desk's clock"),
        *_ACCOUNT,
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("contracts", "Contracts", Kind.COUNT, units("incoming__contracts"), "Asked for"),
        Column("target_cost_dollars", "Target cost", Kind.MONEY, units("incoming__target_cost"), "Asked for"),
        Column("yes_bid_dollars", "YES bid", Kind.PRICE, units("yes_bid"), "0: none"),
        Column("no_bid_dollars", "NO bid", Kind.PRICE, units("no_bid"), "0: none"),
        Column("fair_yes_dollars", "Fair YES", Kind.PRICE, units("fair_yes")),
        Column("accepted_outcome", "Hit", Kind.TEXT, "confirmation__accepted_side", "Which of the two bids was taken"),
        Column("taken_contracts", "Taken", Kind.COUNT, units("confirmation__contracts")),
        Column("state", "State", Kind.TEXT, "state"),
        Column("policy", "Policy", Kind.TEXT, "policy", is_shown=False),
        Column("person", "Quoted by", Kind.PERSON, "placed_by_id"),
        Column("owner", "Owner", Kind.PERSON, "owner_id", is_shown=False),
        Column("ended_at_utc", "Ended", Kind.TIME, "ended_at"),
        Column("reason", "Reason", Kind.TEXT, "end_reason"),
        Column("quote_id", "Quote id", Kind.ID, "quote_id"),
        Column("rfq_id", "RFQ id", Kind.ID, "incoming__rfq_id", is_shown=False),
    ),
    states={state.value: state.value.replace("_", " ").capitalize() for state in QuoteState},
    state="state",
    people=("placed_by_id", "owner_id"),
    elsewhere=Q(placed_by=None),
    size="incoming__contracts",
    price="yes_bid",
    ids=(Id("quote_id", "account_id"), Id("incoming__rfq_id", "incoming__environment")),
)


def _unplaced(actor: Actor) -> QuerySet[OrderIntent]:
    return intents_visible_to(actor).filter(order=None)


UNPLACED = Source(
    kind="unplaced",
    label="Refused and unknown",
    rows=_unplaced,
    at=F("created_at"),
    columns=(
        Column("time_utc", _TIME, Kind.TIME, "created_at", "The desk's clock"),
        *_ACCOUNT,
        Column("market", "Market", Kind.TICKER, "ticker"),
        Column("side", "Side", Kind.TEXT, "entered_as"),
        Column("outcome", "Outcome", Kind.TEXT, _outcome(), "What it would buy: yes or no", is_shown=False),
        Column("yes_price_dollars", "YES price", Kind.PRICE, units("price")),
        Column("contracts", "Contracts", Kind.COUNT, units("count")),
        Column("state", "State", Kind.TEXT, "state"),
        Column("error_code", "Code", Kind.TEXT, "error_code"),
        Column("reason", "Reason", Kind.TEXT, "error_text"),
        Column("person", "Placed by", Kind.PERSON, "placed_by_id"),
        Column("client_order_id", "Client order id", Kind.ID, "client_order_id", is_shown=False),
    ),
    states=dict(OrderIntent.State.choices),
    state="state",
    side="book_side",
    people=("placed_by_id",),
    size="count",
    price="price",
    ids=(Id("client_order_id", is_uuid=True),),
)

SOURCES: dict[str, Source] = {one.kind: one for one in (ORDERS, FILLS, SETTLEMENTS, RFQS, QUOTES, TRADES, UNPLACED)}


def chosen_markets(account_ids: list[int]) -> list[tuple[str, str]]:
    """Return (environment, ticker) of the markets whose public trades are kept for these accounts."""
    found = ChosenMarket.objects.filter(account_id__in=account_ids).order_by("account__environment", "ticker")
    return list(dict.fromkeys(found.values_list("account__environment", "ticker")))
