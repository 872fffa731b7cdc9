"""An exchange with one event of two markets and funded members; override what matters."""

from decimal import Decimal
from itertools import count
from typing import Any

from apps.paper.engine.accounts import Member
from apps.paper.engine.catalogue import Market, MarketEvent, Series
from apps.paper.engine.events import Event
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.ids import market_uuid
from apps.paper.engine.orders import NewOrder, OrderResult
from apps.paper.engine.units import CONTRACT

NOON_MS = 1_790_000_040_000  # a whole minute
DAY_MS = 86_400_000
TICKER = "KXTEST-26DEC-A"
OTHER = "KXTEST-26DEC-B"
_ids = count(1)


class FixedClock:
    """Stands still until it is moved."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


def make_market(ticker: str = TICKER, **over: Any) -> Market:
    fields: dict[str, Any] = {
        "ticker": ticker,
        "event_ticker": "KXTEST-26DEC",
        "series_ticker": "KXTEST",
        "market_id": market_uuid(ticker),
        "title": "Will it?",
        "yes_sub_title": "Yes",
        "no_sub_title": "No",
        "rules_primary": "If it does, Yes.",
        "rules_secondary": "",
        "created_ms": NOON_MS - DAY_MS,
        "open_ms": NOON_MS - DAY_MS,
        "close_ms": NOON_MS + DAY_MS,
        "expected_expiration_ms": NOON_MS + DAY_MS,
        "latest_expiration_ms": NOON_MS + 7 * DAY_MS,
    }
    return Market(**(fields | over))


def make_exchange(
    *, fee_type: str = "quadratic", multiplier: str = "1", structure: str = "linear_cent", members: int = 3
) -> PaperExchange:
    exchange = PaperExchange(clock=FixedClock(), seed=7)
    exchange.list_series(
        Series(
            ticker="KXTEST",
            title="Test",
            category="Tests",
            frequency="one_off",
            tags=[],
            settlement_sources=[],
            contract_url="",
            contract_terms_url="",
            fees=FeeSchedule(fee_type, Decimal(multiplier)),
        )
    )
    exchange.list_event(
        MarketEvent(
            ticker="KXTEST-26DEC",
            series_ticker="KXTEST",
            title="Will it?",
            sub_title="In December",
            category="Tests",
            mutually_exclusive=True,
        )
    )
    exchange.list_market(make_market(TICKER, price_level_structure=structure))
    exchange.list_market(make_market(OTHER, price_level_structure=structure))
    for number in range(members):
        add_member(exchange, f"m{number}")
    return exchange


def add_member(exchange: PaperExchange, user_id: str, *, dollars: int = 1_000, subaccounts: int = 1) -> Member:
    return exchange.add_member(name=user_id, user_id=user_id, cash_cents=dollars * 100, subaccounts=subaccounts)


def place(
    exchange: PaperExchange, user_id: str, side: str, price: int, contracts: float = 10, **over: Any
) -> OrderResult:
    """`price` in price units, `contracts` whole or with two decimals."""
    fields: dict[str, Any] = {
        "ticker": TICKER,
        "client_order_id": f"c{next(_ids)}",
        "side": side,
        "price": price,
        "count": round(contracts * CONTRACT),
    }
    return exchange.create_order(user_id, NewOrder(**(fields | over)))


def listen(exchange: PaperExchange) -> list[Event]:
    events: list[Event] = []
    exchange.subscribe(events.append)
    return events


def money(exchange: PaperExchange) -> int:
    """All money there is; equals `exchange.deposited` at any instant."""
    cash = sum(a.cash for m in exchange.members.values() for a in m.accounts.values())
    return cash + exchange.fees + exchange.collateral
