"""From a request to an answer: route, signature, scope, budget, operation, error body. No I/O."""

import logging
from collections.abc import Iterable
from urllib.parse import unquote

from apps.paper.engine.errors import ExchangeError
from apps.paper.server import (
    params,
    rest_candles,
    rest_communications,
    rest_events,
    rest_exchange,
    rest_fcm,
    rest_forecasts,
    rest_historical,
    rest_incentives,
    rest_legacy_orders,
    rest_markets,
    rest_milestones,
    rest_multivariate,
    rest_order_groups,
    rest_orders,
    rest_portfolio,
    rest_search,
    rest_subaccounts,
)
from apps.paper.server.buckets import DEFAULT_COST, limits
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Request, Response, TooManyRequests, too_many_requests

logger = logging.getLogger(__name__)

PREFIX = "/trade-api/v2"
METHODS = ("GET", "POST", "PUT", "DELETE")
OPERATIONS: list[Operation] = [
    *rest_exchange.OPERATIONS,
    *rest_markets.OPERATIONS,
    *rest_events.OPERATIONS,
    *rest_candles.OPERATIONS,
    *rest_forecasts.OPERATIONS,
    *rest_milestones.OPERATIONS,
    *rest_search.OPERATIONS,
    *rest_incentives.OPERATIONS,
    *rest_portfolio.OPERATIONS,
    *rest_subaccounts.OPERATIONS,
    *rest_historical.OPERATIONS,
    *rest_fcm.OPERATIONS,
    *rest_orders.OPERATIONS,
    *rest_legacy_orders.OPERATIONS,
    *rest_order_groups.OPERATIONS,
    *rest_communications.OPERATIONS,
    *rest_multivariate.OPERATIONS,
]
OPERATIONS_3_28: list[Operation] = [*OPERATIONS, *rest_communications.OPERATIONS_3_28]


class Routes:
    """Templates by number of segments; a fixed segment wins over a variable one."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_length: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
        for operation in operations:
            segments = operation.template.strip("/").split("/")
            self._by_length.setdefault((operation.method, len(segments)), []).append((segments, operation))
        for rows in self._by_length.values():
            rows.sort(key=lambda row: [segment.startswith("{") for segment in row[0]])

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        given = path.strip("/").split("/")
        for segments, operation in self._by_length.get((method, len(given)), ()):
            found: dict[str, str] = {}
            for want, have in zip(segments, given, strict=True):
                if want.startswith("{"):
                    found[want[1:-1]] = unquote(have)
                elif want != have:
                    break
            else:
                return operation, found
        return None

    def methods(self, path: str) -> list[str]:
        """What the path is offered with, by its most particular template."""
        found = {method: route[0] for method in METHODS if (route := self.find(method, path))}
        least = min((operation.template.count("{") for operation in found.values()), default=0)
        return [method for method, operation in found.items() if operation.template.count("{") == least]


class RestApi:
    """`handle` never raises: whatever goes wrong is an answer."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._routes = Routes(OPERATIONS_3_28 if core.edition == "3.28" else OPERATIONS)
        self.requests = 0

    def handle(self, request: Request) -> Response:
        self.requests += 1
        try:
            return self._handle(request)
        except ApiError as exc:
            return Response.from_error(exc)
        except ExchangeError as exc:
            return Response.from_error(ApiError(exc.http_status, exc.code, exc.message, details=exc.details))
        except TooManyRequests:
            return too_many_requests()
        except Exception:
            logger.exception("request failed: %s %s", request.method, request.path)
            return Response.from_error(ApiError(500, "internal_server_error", "internal server error"))

    def _handle(self, request: Request) -> Response:
        if not request.path.startswith(f"{PREFIX}/"):
            raise ApiError(404, "not_found", "no such path")
        path = request.path.removeprefix(PREFIX)
        route = self._routes.find(request.method, path)
        if route is None:
            offered = self._routes.methods(path)
            if offered:
                allow = (("Allow", ", ".join(offered)),)
                raise ApiError(405, "method_not_allowed", f"{request.method} is not offered here", headers=allow)
            raise ApiError(404, "not_found", "no such path, or not part of the paper exchange yet")
        operation, found = route
        core = self._core
        core.exchange.expire_due()
        now_ms = core.clock.now_ms() if request.received_ms is None else request.received_ms
        key = core.keys.authenticate(request, now_ms=now_ms)
        if operation.access != "public":
            if key is None:
                raise ApiError(
                    401, "authentication_error", "this operation needs a signature", details="MISSING_HEADERS"
                )
            if operation.access not in key.scopes:
                raise ApiError(
                    403, "insufficient_scope", f"the key has no {operation.access} scope", details=",".join(key.scopes)
                )
        if key is not None:
            self._bill(operation, request, key.user_id)
        if core.edition == "3.28":
            params.whole(request.query, "exchange_index", maximum=0)  # there is one shard
        return operation.handler(core, Call(request, key, found))

    def _bill(self, operation: Operation, request: Request, user_id: str) -> None:
        """Every authenticated request costs, refused ones too; what does not fit is not done."""
        core = self._core
        cost = operation.cost if isinstance(operation.cost, int) else operation.cost(request)
        if cost > limits(core.tier(user_id), operation.bucket)[1]:
            cost = DEFAULT_COST  # a batch that no full bucket pays for: its operation refuses it
        if not core.budgets.take(
            user_id, operation.bucket, cost, tier=core.tier(user_id), now_ms=core.clock.monotonic_ms()
        ):
            raise TooManyRequests
