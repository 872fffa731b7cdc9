"""The order ticket as a plain form: what a browser without the live ticket sends."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.errors import DeskError

_TERMS = {"ioc": "immediate_or_cancel", "fok": "fill_or_kill"}
_FLAGS = ("post_only", "reduce_only", "cancel_on_pause")
# ASCII digits only, no exponent: the same as static/js/market/ticket-model.js reads.
_PRICE = re.compile(r"(\$)?\s*([0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)\s*(c|¢)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[0-9]{1,3}([,_\s][0-9]{3})+(?![0-9])")


def ticket_as_typed(post: Mapping[str, Any], ticker: str) -> dict[str, Any]:
    """Return the fields exactly as a person typed them, to show them again when something is wrong."""
    names = ("idempotency_key", "side", "price", "count", "terms", "expires_at", "self_trade_prevention")
    typed: dict[str, Any] = {name: str(post.get(name, ""))[:80] for name in names}
    return typed | {name: bool(post.get(name)) for name in _FLAGS} | {"ticker": ticker}


def ticket_params(typed: Mapping[str, Any], *, zone: str) -> dict[str, Any]:
    """Return the typed ticket as parameters of `order.place`.

    Prices are typed as the live ticket takes them and counts with thousands separators; what cannot be read is
    passed on as it is, so that the ticket reader names the field.

    Raises:
        DeskError: `bad_input` for what would be read as something that was not meant.
    """
    is_expiring = typed["terms"] == "expires"
    if is_expiring and not typed["expires_at"]:
        raise _unclear("expires_at", "Say until when.")
    return {
        "idempotency_key": typed["idempotency_key"],
        "ticker": typed["ticker"],
        "side": typed["side"],
        "price": _price_typed(typed["price"]),
        "count": _count_typed(typed["count"]),
        "time_in_force": _TERMS.get(typed["terms"], "good_till_canceled"),
        "expires_at": _instant(typed["expires_at"], zone) if is_expiring else None,
        "self_trade_prevention": typed["self_trade_prevention"],
        **{name: typed[name] for name in _FLAGS},
    }


def cents_typed(text: str) -> str:
    """Return typed cents ("21.5", "21,5c") as dollars; what is not a number comes back as it is."""
    match = _PRICE.fullmatch(text.strip().replace(",", "."))
    return text.strip() if match is None or match[1] else f"{Decimal(match[2]) / 100:f}"


def _price_typed(text: str) -> str:
    """Return a typed price as dollars: "52" and "52.5c" are cents, "$0.52" and "0.52" dollars. Raises DeskError."""
    raw = text.strip().replace(",", ".")
    match = _PRICE.fullmatch(raw)
    if match is None:
        # Never what a reader of dollars might take: "1e1" is nobody's price.
        raise _unclear(
            "price", f"“{raw}” is not a price. Write cents, such as 52 or 52.5." if raw else "Enter a price."
        )
    dollars, number, cents = match.groups()
    if not dollars and not cents and re.fullmatch(r"0?\.[1-9]", number):
        tenths = number[-1]
        raise _unclear("price", f"Is “{raw}” cents or dollars? Write 0.{tenths}c or $0.{tenths}0.")
    is_dollars = dollars or (not cents and Decimal(number) < 1)
    return f"{Decimal(number) / (1 if is_dollars else 100):f}"


def _count_typed(text: str) -> str:
    """Return a typed count without the marks between its thousands. Raises DeskError for another comma."""
    raw = text.strip()
    if _THOUSANDS.match(raw):
        return re.sub(r"[,_\s]", "", raw)
    if re.fullmatch(r"[0-9]+,[0-9]+", raw):
        raise _unclear("count", f"Write “{raw.replace(',', '.')}” with a point.")
    return raw


def _unclear(field: str, text: str) -> DeskError:
    return DeskError("bad_input", text, fields={field: text})


def _instant(text: str, zone: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    return local.isoformat()
