"""Control calls that do what the exchange itself does: pauses, the lives of markets, orders from its own site."""

from collections.abc import Callable
from typing import Any

from apps.core.money import WireFormatError, count_units_from_wire, price_units_from_wire
from apps.paper.engine.history import MAX_LAG_MS
from apps.paper.engine.orders import AmendOrder, NewOrder, OrderResult
from apps.paper.engine.units import DOLLAR_PRICE
from apps.paper.server.control_bodies import (
    ExternalBody,
    LagBody,
    MarketBody,
    OrderRulesBody,
    ResultsBody,
    TradingBody,
    decode,
)
from apps.paper.server.http import Request
from apps.paper.server.server import PaperServer
from apps.paper.server.shapes import order_json


class ExchangeCalls:
    """user_id: a member by name or id."""

    def __init__(self, paper: PaperServer, *, user_id: Callable[[str], str]) -> None:
        self._paper = paper
        self._exchange = paper.exchange
        self._user_id = user_id

    def set_trading(self, request: Request) -> dict[str, Any]:
        body = decode(request, TradingBody)
        core, exchange = self._paper.core, self._exchange
        if body.resume and body.resume_in_seconds is None:
            raise ValueError("resume needs resume_in_seconds")
        is_up = body.trading_active and body.exchange_active
        exchange.set_exchange_status(exchange_active=body.exchange_active, trading_active=body.trading_active)
        core.resume_at_ms = (
            None if is_up or body.resume_in_seconds is None else core.clock.now_ms() + body.resume_in_seconds * 1000
        )
        core.resumes_itself = body.resume and not is_up
        return {"exchange_active": exchange.exchange_active, "trading_active": exchange.trading_active}

    def change_market(self, request: Request) -> dict[str, Any]:
        body = decode(request, MarketBody)
        exchange = self._exchange
        match body.action:
            case "pause":
                exchange.pause_market(body.ticker)
            case "resume":
                exchange.resume_market(body.ticker)
            case "close_at":
                if body.close_ms is None:
                    raise ValueError("close_at needs close_ms")
                exchange.move_close(body.ticker, close_ms=body.close_ms)
                exchange.expire_due()
            case "close_early":
                exchange.close_early(body.ticker)
            case "grid":
                exchange.change_grid(body.ticker, structure=body.structure)
            case "determine":
                if body.result is None:
                    raise ValueError("determine needs result")
                value = None if body.value_dollars is None else _value(body.value_dollars)
                exchange.determine(body.ticker, result=body.result, value=value)
            case "dispute":
                exchange.dispute(body.ticker)
            case "settle":
                exchange.settle(body.ticker)
            case "metadata":
                exchange.update_metadata(body.ticker, yes_sub_title=body.yes_sub_title, floor=body.floor_strike)
        market = exchange.market(body.ticker)
        return {"ticker": body.ticker, "status": market.status, "result": market.result}

    def set_results(self, request: Request) -> dict[str, Any]:
        after_ms = decode(request, ResultsBody).after_ms
        if after_ms is not None and after_ms < 0:
            raise ValueError("after_ms must be at least 0, or null")
        self._exchange.end_markets_after(after_ms)
        self._exchange.expire_due()
        return {"after_ms": after_ms}

    def act_externally(self, request: Request) -> dict[str, Any]:
        """What the member does on the exchange's own site, past every API key and budget."""
        body = decode(request, ExternalBody)
        user_id = self._user_id(body.member)
        exchange = self._exchange
        if not user_id:
            raise ValueError("member must name one member")
        if body.action == "place":
            result = exchange.create_order(user_id, _new_order(body))
        elif body.action == "amend":
            order = exchange.order(user_id, body.order_id)
            result = exchange.amend_order(
                user_id, body.order_id, AmendOrder(order.ticker, order.side, _price(body.price), _count(body.count))
            )
        elif body.action == "decrease":
            result = exchange.decrease_order(user_id, body.order_id, reduce_to=_count(body.count))
        else:
            result = exchange.cancel_order(user_id, body.order_id)
        return _answer(result)

    def set_lag(self, request: Request) -> dict[str, Any]:
        lag = self._paper.core.lag
        lag.set(decode(request, LagBody).ms)
        return {"ms": lag.lag_ms, "as_of_ms": lag.as_of_ms(), "most": MAX_LAG_MS}

    def set_order_rules(self, request: Request) -> dict[str, Any]:
        body = decode(request, OrderRulesBody)
        exchange = self._exchange
        if body.dedupe == "window" and not body.dedupe_window_ms:
            raise ValueError("dedupe window needs dedupe_window_ms")
        if body.dedupe is not None:
            exchange.dedupe = body.dedupe
        if body.dedupe_window_ms is not None:
            exchange.dedupe_window_ms = body.dedupe_window_ms
        if body.past_expiration is not None:
            exchange.past_expiration = body.past_expiration
        if body.group_triggers_at is not None:
            exchange.group_triggers_at = body.group_triggers_at
        return {
            "dedupe": exchange.dedupe,
            "dedupe_window_ms": exchange.dedupe_window_ms,
            "past_expiration": exchange.past_expiration,
            "group_triggers_at": exchange.group_triggers_at,
        }


def _new_order(body: ExternalBody) -> NewOrder:
    if body.side is None:
        raise ValueError("place needs side")
    return NewOrder(
        ticker=body.ticker,
        client_order_id=body.client_order_id,
        side=body.side,
        price=_price(body.price),
        count=_count(body.count),
        time_in_force=body.time_in_force,
        self_trade_prevention_type=body.self_trade_prevention_type,
        subaccount=body.subaccount,
        external=True,
    )


def _answer(result: OrderResult) -> dict[str, Any]:
    return {"order_id": result.order_id, "order": order_json(result.order)}


def _price(text: str) -> int:
    try:
        return price_units_from_wire(text)
    except WireFormatError as exc:
        raise ValueError(f"price: {exc}") from exc


def _count(text: str) -> int:
    try:
        return count_units_from_wire(text)
    except WireFormatError as exc:
        raise ValueError(f"count: {exc}") from exc


def _value(text: str) -> int:
    """0 and 1 dollar are values, though they are no prices of orders."""
    value = _price(text)
    if not 0 <= value <= DOLLAR_PRICE:
        raise ValueError("value_dollars must be 0 to 1")
    return value
