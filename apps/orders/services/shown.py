"""What a preview showed, in one word that an order brings back: refused when it would be shown otherwise now.

The word is opaque to browsers: one short digest per part, so that a refusal can say which part changed. The price
band and the other limits are not in it: they are asked again for each order anyway, in their own words.
"""

import hashlib
import json
from datetime import datetime

from apps.core.errors import DeskError
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders.costs import CostEstimate

# Name -> words for people, in the order of the digests.
PARTS = {
    "market": "the state of the market",
    "close": "when it closes",
    "grid": "its price steps",
    "fees": "the fee",
    "position": "your position, so that it closes or opens other contracts",
}
_DIGITS = 8
LONGEST = len(PARTS) * (_DIGITS + 1)


def shown_of(market: Market, estimate: CostEstimate) -> str:
    """Return the word for what a preview of this market and estimate shows."""
    fees = estimate.fees
    values: dict[str, object] = {
        "market": market.status,
        "close": _text(market.close_time),
        "grid": market.price_ranges,
        "fees": None if fees is None else [str(fees.schedule), _text(fees.waived_until)],
        "position": [estimate.closing > 0, estimate.opening > 0],
    }
    return ".".join(_digest(values[name]) for name in PARTS)


def shown_check(seen: str, is_now: str) -> None:
    """Raises DeskError `preview_stale` that names what changed. An order that brings no word is not checked."""
    if not seen or seen == is_now:
        return
    changed = [name for name, was, now in zip(PARTS, seen.split("."), is_now.split("."), strict=False) if was != now]
    words = ", ".join(PARTS[name] for name in changed) or "the ticket"
    raise DeskError(
        "preview_stale",
        f"Not sent: since the preview {words} changed. Look at the new preview, then send again.",
        fields=dict.fromkeys(changed, f"Changed before {utc_now():%H:%M:%S} UTC."),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:_DIGITS]
