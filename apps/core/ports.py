"""Where an app on the right fills in what an app on the left calls. See docs/architecture.md.

Each registry is filled in `AppConfig.ready()` and read-only afterwards.
"""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar

from apps.core.permissions import Actor, Permission, Within
from apps.core.topics import TopicName


@dataclass(frozen=True, slots=True)
class Command:
    """A command that browsers may send over the socket.

    handler(actor, params) is synchronous, may use the database, returns a JSON-ready dict and
    raises `DeskError` to refuse. The socket checks `permission` on each message; the service
    that the handler calls checks it again. within: whether a grant on less than the desk opens it, too.
    """

    name: str
    permission: Permission
    handler: Callable[[Actor, Mapping[str, Any]], dict[str, Any]]
    within: Within = Within.DESK


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of live topic.

    mode "whole": each frame is the whole state, newest wins.
    mode "rows": each frame is {"rows": {key: row or None}}; rows merge by key, newest wins per
    key, None removes. Every row carries an increasing integer "v".
    state(topic): the present state in the same shape as a frame, or None when there is none
    yet; synchronous, may use the database. None here means: the gateway's last frame in Redis.
    is_on_demand: made by the gateway only while somebody looks; such frames wait behind what is private and urgent.
    within: ACCOUNT where every frame is of the one account, so that a grant on all of it opens the topic. SUBACCOUNT
    where, too, every row has its "subaccount", or a whole frame its parts in "subaccounts" by number, so that one who
    sees some of them gets those (apps.web.sieve).
    """

    kind: str
    permission: Permission
    scope: Literal["environment", "account"]
    mode: Literal["whole", "rows"]
    state: Callable[[TopicName], dict[str, Any] | None] | None = None
    is_on_demand: bool = False
    within: Within = Within.DESK


@dataclass(frozen=True, slots=True)
class FeedContext:
    """Where a message of the exchange came from. Times: Unix milliseconds."""

    account_id: int
    environment: str
    recv_ms: int


# handler(context, messages): runs in the gateway's database thread, in order of arrival.
FeedHandler = Callable[[FeedContext, list[Any]], None]

commands: dict[str, Command] = {}
topics: dict[str, Topic] = {}
feed_handlers: dict[str, list[FeedHandler]] = {}
# Called with an account id after each (re)connect of its private channels, before trading opens.
reconcilers: list[Callable[[int], None]] = []
# vault -> exchange: queue a test of one key (limits, scopes, clock offset) by row id.
key_test_enqueue: list[Callable[[int], None]] = []


def register_command(command: Command) -> None:
    if command.name in commands:
        raise ValueError(f"command {command.name} registered twice")
    commands[command.name] = command


def register_topic(topic: Topic) -> None:
    if topic.kind in topics:
        raise ValueError(f"topic {topic.kind} registered twice")
    topics[topic.kind] = topic


def register_feed_handler(message_type: str, handler: FeedHandler) -> None:
    feed_handlers.setdefault(message_type, []).append(handler)


@dataclass(frozen=True, slots=True)
class Holding:
    """What one subaccount is known to hold; None: not known, or too old to rely on."""

    cash: Decimal | None
    position: Decimal | None  # contracts of one market, positive YES, negative NO


# orders -> portfolio: (account id, subaccount, ticker) -> Holding. Empty until portfolio is ready.
holdings: list[Callable[[int, int, str], Holding]] = []
# The same of many markets at once, for lists: (account id, subaccount, tickers) -> contracts by ticker, 0 for none;
# None: the account was never read.
positions: list[Callable[[int, int, Collection[str]], Mapping[str, Decimal] | None]] = []


# history -> fix: account id -> how many differences between the sources of orders and fills are open.
open_differences: list[Callable[[int], int]] = []


class MarketData(Protocol):
    """markets -> exchange: what the gateway asks of the catalogue. Calls may block, except `board`."""

    def board(self, environment: str) -> Any:
        """Return a new `markets.board.MarketBoard`, which turns the feed into frames."""
        ...

    def known(self, environment: str, tickers: Iterable[str]) -> set[str]: ...

    def metas(self, environment: str) -> Mapping[str, Any]: ...

    def recent_trades(self, environment: str, ticker: str) -> list[dict[str, Any]]: ...

    def trade_row(self, trade: Any) -> dict[str, Any] | None: ...


# taker(topic): browsers need this topic, which is made on demand. Called in the gateway's event loop when the first one
# comes, and again each five seconds for as long as somebody is there: quick, no I/O.
interest_takers: list[Callable[[str], None]] = []
market_data: list[MarketData] = []
# environment -> markets whose books are wanted whether or not somebody looks (own working orders).
wanted_tickers: list[Callable[[str], set[str]]] = []


# --- requests for quotes, in the gateway (docs/rfq.md) -------------------------------------------

# handler(context, message): runs at once in a thread of its own, never behind what waits in the inbox.
# The same message may come twice, over two connections, at the same time.
UrgentHandler = Callable[[FeedContext, Any], None]
# taker(context, messages): the stream of all requests, in the event loop: quick, no I/O, no database.
StreamTaker = Callable[[FeedContext, list[Any]], None]

urgent_handlers: dict[str, list[UrgentHandler]] = {}
stream_takers: dict[str, list[StreamTaker]] = {}
# Called with an account id after each (re)connect of its communications, and when messages were lost.
communications_reconcilers: list[Callable[[int], None]] = []

T = TypeVar("T")


class GatewayTools(Protocol):
    """What a job in the gateway may use: blocking work goes to threads."""

    async def urgent(self, work: Callable[[], T]) -> T:
        """Run in one of a few threads that nothing slow uses; it may use the database."""
        ...

    async def database(self, work: Callable[[], T]) -> T: ...

    async def redis(self, work: Callable[[], T]) -> T: ...

    async def slow(self, work: Callable[[], T]) -> T: ...


# name -> job(tools): runs while this gateway holds the lease; one that ends or fails is started anew.
GatewayJob = Callable[[GatewayTools], Coroutine[Any, Any, None]]
gateway_jobs: dict[str, GatewayJob] = {}


def register_urgent_handler(message_type: str, handler: UrgentHandler) -> None:
    urgent_handlers.setdefault(message_type, []).append(handler)


def register_stream_taker(message_type: str, taker: StreamTaker) -> None:
    stream_takers.setdefault(message_type, []).append(taker)


# --- operations, which stands right of monitoring (docs/runbook.md) --------------------------------

# row id of a pause -> why it may not be released yet, "" when it may: operations -> orders
release_holds: list[Callable[[int], str]] = []
# desk id, None for all -> (name, label, level, why, number or None): parts of the health. operations -> monitoring
HealthLook = Callable[[int | None], Iterable[tuple[str, str, Literal["ok", "warning", "danger"], str, int | None]]]
health_looks: list[HealthLook] = []
# () -> (level, what, what to do): what `manage.py doctor` finds. operations -> monitoring
doctor_looks: list[Callable[[], Iterable[tuple[Literal["ok", "warning", "danger"], str, str]]]] = []

# --- what FIX tells, beside the ledger: fix -> history (docs/fix.md). at: our clock ------------------

# (account id, FillReports, at), (account id, OrderReports, at)
fix_trades: list[Callable[[int, list[Any], datetime], None]] = []
fix_orders: list[Callable[[int, list[Any], datetime], None]] = []
# (account id, one whole settlement, at): ticker, subaccount, result, value and payout in dollars, yes_count, no_count
fix_settlements: list[Callable[[int, Mapping[str, str], datetime], None]] = []

# --- another way than REST (docs/fix.md) -----------------------------------------------


class OrderRoute(Protocol):
    """fix -> orders: how one account's orders leave. The arguments are rows of orders.

    Each call blocks and makes one attempt at most. It raises what `exchange.wire.errors` says of a REST call, with
    the same meaning; when it returns, the exchange has answered and its word is stored already.
    """

    def create(self, intent: Any) -> None: ...

    def cancel(self, cancel: Any) -> bool:
        """Return False, with nothing sent, when this way is not open: a cancel then goes by REST."""
        ...

    def amend(self, change: Any) -> None: ...

    def decrease(self, change: Any) -> None: ...

    def group(self, action: Any) -> str | None:
        """Return the id of a new group."""
        ...


class QuoteRoute(Protocol):
    """fix -> rfq: how one account's quotes leave. The arguments are rows of rfq; raises as `OrderRoute` does."""

    def quote(self, quote: Any) -> None:
        """Send one quote, once; when it returns, the exchange has it, and lists it by REST under an id of its own."""
        ...

    def withdraw(self, quote: Any) -> bool:
        """Return False, with nothing sent, when this way is not open or was tried before: REST then."""
        ...

    def confirm(self, quote: Any, send_by: datetime) -> Callable[[], "Confirmed | None"] | None:
        """Hand one attempt over without waiting; None, with nothing sent, when this way is not open now.

        What it returns says what has come back so far, None for nothing yet.
        """
        ...


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What came back to one attempt to confirm a quote."""

    is_done: bool
    text: str = ""


class RequestRoute(Protocol):
    """fix -> rfq: how one account's requests, and what it takes of the quotes on them, leave."""

    @property
    def prefers_better(self) -> bool:
        """Whether an accept leaves it to the exchange to take a better quote than the one that is named."""
        ...

    def request(self, rfq: Any) -> tuple[str, str]:
        """Send one request, once; return the exchange's id, and the market it made of legs ("" else)."""
        ...

    def close(self, rfq: Any) -> bool:
        """As `QuoteRoute.withdraw`."""
        ...

    def accept(self, accept: Any) -> str:
        """Take a quote, once; return the id of the quote that was taken."""
        ...


# account id -> its way; None: REST
order_routes: list[Callable[[int], OrderRoute | None]] = []
quote_routes: list[Callable[[int], QuoteRoute | None]] = []
request_routes: list[Callable[[int], RequestRoute | None]] = []
