"""What the V2 and the legacy order operations have in common: bodies, batches, units."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from apps.core.money import WireFormatError, count_units_from_wire, price_units_from_wire
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.orders import NewOrder, OrderResult
from apps.paper.server import params
from apps.paper.server.buckets import limits
from apps.paper.server.core import Call, Core
from apps.paper.server.http import ApiError, Request
from apps.paper.server.shapes import Json

Body = TypeVar("Body")
LATEST_EXPIRATION = 253_402_300_799  # the last second of the year 9999


def create(core: Core, user_id: str, request: NewOrder) -> OrderResult:
    """Place an order; what cannot be traded at all is a 400 here, because creating documents no 404.

    Raises:
        ApiError: 400, a market of a replay or none.
        ExchangeError: refused by the engine.
    """
    if core.replay_markets is not None and core.replay_markets.market(request.ticker):
        raise ApiError(400, "market_inactive", f"{request.ticker} is a replay of recorded frames and takes no orders")
    expires = request.expiration_s
    if expires is not None and not 0 < expires <= LATEST_EXPIRATION:
        raise params.invalid("the expiration", "Unix seconds")
    try:
        return core.exchange.create_order(user_id, request)
    except ExchangeError as exc:
        if exc.http_status != 404:
            raise
        raise ApiError(400, exc.code, exc.message, details=exc.details) from exc


def tried(act: Callable[[], Json], otherwise: Json) -> Json:
    """One item of a batch: what it gave, or `otherwise` with the error in it."""
    try:
        return act()
    except ExchangeError as exc:
        error = ApiError(exc.http_status, exc.code, exc.message, details=exc.details)
    except ApiError as exc:
        error = exc
    return otherwise | {"error": error.body()}


def check_batch(core: Core, call: Call, items: int, cost: int) -> None:
    """Raises ApiError 400 unless the full write bucket of the member's tier pays for all items."""
    most = limits(core.tier(call.user_id), "write")[1] // cost
    if not 1 <= items <= most:
        raise ApiError(400, "invalid_parameters", f"a batch holds 1 to {most} orders at this tier", details="orders")


def batch_cost(per_item: int, items_of: Callable[[bytes], int]) -> Callable[[Request], int]:
    """Every item is billed. An unreadable batch is billed as one request and refused."""

    def cost(request: Request) -> int:
        try:
            return per_item * max(1, items_of(request.body))
        except ApiError:
            return per_item

    return cost


def decode(raw: bytes, kind: type[Body]) -> Body:
    """A body as its struct; unknown fields are let pass, as the exchange does.

    Raises:
        ApiError: 400, not JSON or not of this shape.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        raise ApiError(400, "invalid_parameters", "the request does not fit the schema", details=str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ApiError(400, "invalid_json", "the body is not valid JSON", details=str(exc)) from exc


def price_units(raw: str, name: str = "price") -> int:
    """Raises ApiError 400."""
    try:
        return price_units_from_wire(raw)
    except WireFormatError as exc:
        raise ApiError(400, "invalid_price", str(exc), details=name) from exc


def count_units(name: str, raw: str) -> int:
    """Raises ApiError 400."""
    try:
        return count_units_from_wire(raw)
    except WireFormatError as exc:
        raise ApiError(400, "invalid_order_size", str(exc), details=name) from exc


def primary_unless_named(call: Call) -> int:
    """`subaccount` of the query; the primary one when it is left out.

    Raises:
        ApiError: 400.
    """
    return params.whole(call.request.query, "subaccount") or 0
