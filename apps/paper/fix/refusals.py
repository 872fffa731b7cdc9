"""The exchange's refusals in the words and codes of FIX (docs: fix/order-entry, Text Field Values)."""

from apps.paper.engine.errors import ExchangeError
from apps.paper.server.http import ApiError

_BY_DETAIL = {
    "EXCHANGE_PAUSED": (2, "EXCHANGE_PAUSED"),
    "TRADING_PAUSED": (2, "TRADING_PAUSED"),
    "INSUFFICIENT_BALANCE": (3, "INSUFFICIENT_BALANCE"),
    "EXCEEDED_ORDER_GROUP_RISK_LIMIT": (3, "EXCEEDED_ORDER_GROUP_RISK_LIMIT"),
    "EXCEEDED_SELL_POSITION_FLOOR": (3, "EXCEEDED_SELL_POSITION_FLOOR"),
    "EXCEEDED_OPEN_ORDERS_LIMIT": (3, "EXCEEDED_PER_MARKET_RISK_LIMIT"),
    "CUSTOMER_ACCOUNT_NOT_FOUND": (15, "CUSTOMER_ACCOUNT_NOT_FOUND"),
    "PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT": (15, "PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT"),
    "post only cross": (99, "POST_ONLY_CROSS"),
    "SELF_CROSS_ATTEMPT": (99, "SELF_CROSS_ATTEMPT"),
    "INVALID_AMEND_QTY_FOR_ORDER": (13, "INVALID_AMEND_QTY_FOR_ORDER"),
}
_BY_CODE = {
    "market_not_found": (1, "MARKET_NOT_FOUND"),
    "order_already_exists": (6, "ORDER_ALREADY_EXISTS"),
    "order_group_not_found": (11, "ORDER_GROUP_NOT_FOUND"),
    "invalid_order_size": (13, "INVALID_ORDER"),
    "invalid_price": (11, "INVALID_ORDER"),
    "invalid_parameters": (11, "INVALID_ORDER"),
    "invalid_order": (11, "INVALID_ORDER"),
}
_CANCEL = {
    "INVALID_AMEND_QTY_FOR_ORDER": (2, "INVALID_AMEND_QTY_FOR_ORDER"),
    "SELF_CROSS_ATTEMPT": (18, "SELF_CROSS_ATTEMPT"),
}


def order_refusal(exc: ExchangeError | ApiError, *, is_closed: bool = False) -> tuple[int, str]:
    """OrdRejReason and Text. is_closed: the market is past its close, not paused."""
    if exc.code == "market_inactive":
        return 2, "MARKET_ALREADY_CLOSED" if is_closed else "MARKET_INACTIVE"
    known = _BY_DETAIL.get(exc.details or "") or _BY_CODE.get(exc.code)
    return known or (99, "EXCHANGE_UNAVAILABLE")


def cancel_refusal(exc: ExchangeError, *, is_closed: bool = False) -> tuple[int, str]:
    """CxlRejReason and Text."""
    known = _CANCEL.get(exc.details or "")
    if known is not None:
        return known
    if exc.code == "not_found":
        return 1, "ORDER_NOT_FOUND"
    return 99, order_refusal(exc, is_closed=is_closed)[1]
