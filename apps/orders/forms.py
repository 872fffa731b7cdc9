"""The order ticket as a plain form: what a browser without the live ticket sends."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

_TERMS = {"ioc": "immediate_or_cancel", "fok": "fill_or_kill"}


def ticket_as_typed(post: Mapping[str, Any], ticker: str) -> dict[str, Any]:
    """Return the fields exactly as a person typed them, to show them again when something is wrong."""
    names = ("idempotency_key", "side", "price", "count", "terms", "expires_at")
    typed: dict[str, Any] = {name: str(post.get(name, ""))[:80] for name in names}
    return typed | {name: bool(post.get(name)) for name in ("post_only", "reduce_only")} | {"ticker": ticker}


def ticket_params(typed: Mapping[str, Any], *, zone: str) -> dict[str, Any]:
    """Return the typed ticket as parameters of `order.place`.

    Prices are typed in cents and counts with thousands separators; what cannot be read is passed on
    as it is, so that the ticket reader names the field.
    """
    is_expiring = typed["terms"] == "expires"
    return {
        "idempotency_key": typed["idempotency_key"],
        "ticker": typed["ticker"],
        "side": typed["side"],
        "price": cents_typed(typed["price"]),
        "count": typed["count"].replace(",", "").strip(),
        "time_in_force": _TERMS.get(typed["terms"], "good_till_canceled"),
        "expires_at": _instant(typed["expires_at"], zone) if is_expiring else None,
        "post_only": typed["post_only"],
        "reduce_only": typed["reduce_only"],
    }


def cents_typed(text: str) -> str:
    """Return typed cents ("21.5", "21,5c") as dollars; what is not a number comes back as it is."""
    raw = text.strip().rstrip("c¢").strip().replace(",", ".")
    try:
        cents = Decimal(raw)
    except InvalidOperation:
        return text.strip()
    return f"{cents / 100:f}" if cents.is_finite() else text.strip()


def _instant(text: str, zone: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    return local.isoformat()
