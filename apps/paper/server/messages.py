"""What the WebSocket sends: the `msg` part of each frame, and whole frames around it.

Source: kalshi-ws-messages.json (edition of 2026-05-12). A `msg` is encoded once and shared by all
subscriptions; only `sid` and `seq` differ between them.
"""

from typing import Any

from apps.core.money import format_count_units, format_money_units, format_price_units
from apps.paper.engine.accounts import Position
from apps.paper.engine.catalogue import Market
from apps.paper.engine.events import OrderGroupChanged
from apps.paper.engine.orders import Fill, Order, Trade
from apps.paper.engine.units import DOLLAR, DOLLAR_PRICE, Outcome
from apps.paper.server.http import encode_json
from apps.paper.server.shapes import Json, legacy_direction, time_text

PRICE_TEXT = tuple(format_price_units(units) for units in range(DOLLAR_PRICE + 1))

ERROR_TEXTS: dict[int, str] = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    6: "Already subscribed",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    16: "Market not found",
    17: "Internal error",
    18: "Command timeout",
    19: "shard_factor must be > 0",
    20: "shard_factor is required when shard_key is set",
    21: "shard_key must be >= 0 and < shard_factor",
    22: "shard_factor must be <= 100",
    25: "Subscription buffer overflow",
}


def encode_msg(msg: Any) -> str:
    return encode_json(msg).decode()


def frame(message_type: str, *, sid: int, seq: int | None, msg: str) -> str:
    """A data frame around an encoded `msg`."""
    if seq is None:
        return f'{{"type":"{message_type}","sid":{sid},"msg":{msg}}}'
    return f'{{"type":"{message_type}","sid":{sid},"seq":{seq},"msg":{msg}}}'


def error_reply(code: int, *, command_id: int | None, ticker: str = "", market_id: str = "") -> str:
    msg: Json = {"code": code, "msg": ERROR_TEXTS[code]}
    if market_id:
        msg["market_id"] = market_id
    if ticker:
        msg["market_ticker"] = ticker
    head: Json = {"id": command_id} if command_id and command_id > 0 else {}
    return encode_msg(head | {"type": "error", "msg": msg})


def snapshot_msg(
    *, ticker: str, market_id: str, yes: list[tuple[int, int]], no: list[tuple[int, int]], use_yes_price: bool
) -> str:
    """yes, no: (price units, count units) in each side's own prices. An empty side has no key at all."""
    if use_yes_price:
        # Still ascending on the scale that is sent; the best ask is then first.
        no = [(DOLLAR_PRICE - price, size) for price, size in reversed(no)]
    msg: Json = {"market_ticker": ticker, "market_id": market_id}
    for name, levels in (("yes_dollars_fp", yes), ("no_dollars_fp", no)):
        if levels:
            msg[name] = [[PRICE_TEXT[price], format_count_units(size)] for price, size in levels]
    return encode_msg(msg)


def delta_msg(
    *, ticker: str, market_id: str, side: Outcome, price: int, delta: int, ts_ms: int, use_yes_price: bool
) -> str:
    """price: units in the side's own prices."""
    if use_yes_price and side == "no":
        price = DOLLAR_PRICE - price
    return (
        f'{{"market_ticker":"{ticker}","market_id":"{market_id}","price_dollars":"{PRICE_TEXT[price]}",'
        f'"delta_fp":"{format_count_units(delta)}","side":"{side}","ts":"{time_text(ts_ms)}","ts_ms":{ts_ms}}}'
    )


def with_owner(msg: str, *, client_order_id: str, subaccount: int) -> str:
    """The delta as the member who caused it sees it."""
    extra: Json = {"client_order_id": client_order_id}
    if subaccount:
        extra["subaccount"] = subaccount
    return f"{msg[:-1]},{encode_msg(extra)[1:]}"


def ticker_msg(market: Market, *, ts_ms: int) -> str:
    return encode_msg(
        {
            "market_ticker": market.ticker,
            "market_id": market.market_id,
            "price_dollars": format_price_units(market.last_price),
            "yes_bid_dollars": format_price_units(market.yes_bid),
            "yes_ask_dollars": format_price_units(market.yes_ask),
            "volume_fp": format_count_units(market.volume),
            "open_interest_fp": format_count_units(market.open_interest),
            "dollar_volume": market.dollar_volume // DOLLAR,
            "dollar_open_interest": market.open_interest // 100,
            "yes_bid_size_fp": format_count_units(market.yes_bid_size),
            "yes_ask_size_fp": format_count_units(market.yes_ask_size),
            "last_trade_size_fp": format_count_units(market.last_size),
            "ts": ts_ms // 1000,
            "ts_ms": ts_ms,
            "time": time_text(ts_ms),
        }
    )


def trade_msg(trade: Trade, *, later: bool = False) -> str:
    """later: as the edition of 3.28 has it."""
    outcome = trade.taker_outcome_side
    msg: Json = {
        "trade_id": trade.trade_id,
        "market_ticker": trade.ticker,
        "yes_price_dollars": format_price_units(trade.price),
        "no_price_dollars": format_price_units(DOLLAR_PRICE - trade.price),
        "count_fp": format_count_units(trade.count),
        "taker_side": outcome,
        "taker_outcome_side": outcome,
        "taker_book_side": trade.taker_side,
    }
    if later:
        msg["is_block_trade"] = False
    return encode_msg(msg | {"ts": trade.ts_ms // 1000, "ts_ms": trade.ts_ms})


def fill_msg(fill: Fill) -> str:
    side, action = legacy_direction(fill.side, sells=fill.sells)
    msg: Json = {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "market_ticker": fill.ticker,
        "is_taker": fill.is_taker,
        "side": side,
        "yes_price_dollars": format_price_units(fill.price),
        "count_fp": format_count_units(fill.count),
        "fee_cost": format_money_units(fill.fee),
        "action": action,
        "ts": fill.ts_ms // 1000,
        "ts_ms": fill.ts_ms,
        "client_order_id": fill.client_order_id,
        "post_position_fp": format_count_units(fill.post_position),
        "purchased_side": fill.outcome_side,
        "outcome_side": fill.outcome_side,
        "book_side": fill.side,
        "subaccount": fill.subaccount,
    }
    return encode_msg(msg)


def user_order_msg(order: Order) -> str:
    side, _ = legacy_direction(order.side, sells=order.sells)
    msg: Json = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "ticker": order.ticker,
        "status": order.status,
        "side": side,
        "is_yes": order.outcome_side == "yes",
        "outcome_side": order.outcome_side,
        "book_side": order.side,
        "yes_price_dollars": format_price_units(order.price),
        "fill_count_fp": format_count_units(order.filled),
        "remaining_count_fp": format_count_units(order.remaining),
        "initial_count_fp": format_count_units(order.initial_count),
        "taker_fill_cost_dollars": format_money_units(order.taker_fill_cost),
        "maker_fill_cost_dollars": format_money_units(order.maker_fill_cost),
        "taker_fees_dollars": format_money_units(order.taker_fees),
        "maker_fees_dollars": format_money_units(order.maker_fees),
        "client_order_id": order.client_order_id,
        "self_trade_prevention_type": order.self_trade_prevention_type,
        "created_time": time_text(order.created_ms),
        "created_ts_ms": order.created_ms,
        "last_update_time": time_text(order.updated_ms),
        "last_updated_ts_ms": order.updated_ms,
        "subaccount_number": order.subaccount,
    }
    if order.order_group_id is not None:
        msg["order_group_id"] = order.order_group_id
    if order.expiration_ms is not None:
        msg |= {"expiration_time": time_text(order.expiration_ms), "expiration_ts_ms": order.expiration_ms}
    return encode_msg(msg)


def order_group_msg(event: OrderGroupChanged) -> str:
    msg: Json = {"event_type": event.step, "order_group_id": event.group.group_id}
    if event.step in ("created", "limit_updated"):
        msg["contracts_limit_fp"] = format_count_units(event.group.limit)
    return encode_msg(msg | {"ts_ms": event.ts_ms})


def market_position_msg(position: Position) -> str:
    return encode_msg(
        {
            "user_id": position.user_id,
            "market_ticker": position.ticker,
            "position_fp": format_count_units(position.count),
            "position_cost_dollars": format_money_units(position.cost),
            "realized_pnl_dollars": format_money_units(position.realized_pnl),
            "fees_paid_dollars": format_money_units(position.fees_paid),
            "position_fee_cost_dollars": format_money_units(position.fee_cost),
            "volume_fp": format_count_units(position.volume),
            "subaccount": position.subaccount,
        }
    )
