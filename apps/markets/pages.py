"""What the Market page is filled with: words and choices around the rows that selectors read."""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apps.accounts.middleware import DeskRequest
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.markets import selectors
from apps.markets.incentives import rewards_words
from apps.markets.milestone_pages import milestones_of, target_words
from apps.markets.models import Market
from apps.markets.services.targets import targets_of

PERIODS = ({"minutes": 1, "label": "1m"}, {"minutes": 60, "label": "1h"}, {"minutes": 1440, "label": "1d"})
# How far back each candle period looks, in minutes.
REACH = {1: 8 * 60, 60: 14 * 1440, 1440: 720 * 1440}
DEFAULT_PERIOD = 60
BUYS = (("buy_yes", "Buy YES", "buy"), ("buy_no", "Buy NO", "sell"))
SELLS = (("sell_yes", "Sell YES", "sell", "yes"), ("sell_no", "Sell NO", "buy", "no"))
TERMS = (
    ("gtc", "GTC", "Rests until it fills or is cancelled"),
    ("expires", "Expires", "Rests until a time that you choose"),
    ("ioc", "IOC", "Fills what it can at once; the rest is cancelled"),
    ("fok", "FOK", "Fills completely at once, or not at all"),
)
SELF_TRADE_PREVENTIONS = (("taker_at_cross", "Cancel the new one"), ("maker", "Cancel the resting one"))
_FEE_WORDS = {
    "quadratic": "taker only",
    "quadratic_with_maker_fees": "taker and maker",
    "quadratic_with_combo_maker_fees": "taker, maker on combos",
}
EMPTY_TICKET: Mapping[str, Any] = {"side": "buy_yes", "price": "", "count": "", "terms": "gtc", "expires_at": ""}


def market_context(
    request: DeskRequest,
    market: Market,
    *,
    ticket: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the template context of the Market page; `ticket` and `errors` keep a refused form as typed."""
    view = selectors.event_get(market.environment, market.event.ticker)
    no_trade_reason = _no_trade_reason(request)
    return {
        "market": market,
        "event": view.event,
        "siblings": [outcome.market for outcome in view.outcomes],
        "probability_sum": _percent(view.probability_sum) if view.event.is_mutually_exclusive else None,
        "price_ranges": market.price_ranges,
        "periods": [{**period, "is_default": period["minutes"] == DEFAULT_PERIOD} for period in PERIODS],
        "fee_words": _fee_words(market),
        "rewards": rewards_words(market.environment, market.ticker),
        "tick_words": _tick_words(market),
        "sources": ", ".join(
            str(source["name"])
            for source in (view.series.settlement_sources if view.series else [])
            if isinstance(source, dict) and source.get("name")
        ),
        "target": target_words(market, targets_of(market.environment, [market])),
        "milestones": milestones_of(market.environment, market.event.ticker)[:1],  # the nearest: room is scarce
        "account": request.account,
        "can_trade": not no_trade_reason,
        "no_trade_reason": no_trade_reason,
        "ticket": {**EMPTY_TICKET, **(ticket or {})},
        "ticket_errors": errors or {},
        "ticket_key": (ticket or {}).get("idempotency_key") or uuid.uuid4(),
        "ticket_buys": BUYS,
        "ticket_sells": SELLS,
        "self_trade_preventions": SELF_TRADE_PREVENTIONS,
        "ticket_terms": TERMS,
    }


def _may_here(request: DeskRequest, permission: Permission) -> bool:
    return bool(request.actor.may_on(permission, request.actor.account_id, request.subaccount))


def _no_trade_reason(request: DeskRequest) -> str:
    if request.actor is not None and not _may_here(request, Permission.DESK_VIEW):
        if request.actor.grants:
            return "Your roles are on other accounts than the one in the top bar."
        return "This desk hides its own orders, positions and amounts from viewers."
    if request.actor is None or not _may_here(request, Permission.ORDER_PLACE):
        return "Your roles on this desk see this market and its orders; they place none. A trader can."
    if request.account is None:
        return "This desk has no exchange account yet. A vault-admin adds one under Settings."
    return ""


def _percent(value: Decimal | None) -> str | None:
    return None if value is None else f"{(value * 100).quantize(Decimal('0.1'))}%"


def _fee_words(market: Market) -> str:
    try:
        terms = selectors.fee_terms(market)
    except DeskError:
        return "not known yet"
    words = _FEE_WORDS.get(terms.fee_type, terms.fee_type.replace("_", " "))
    return words if terms.multiplier == 1 else f"{words} × {terms.multiplier.normalize():f}"


def _tick_words(market: Market) -> str:
    """Every step of the grid, finest first: "0.1¢ to 1¢" for a tapered one."""
    steps = sorted({Decimal(one["step"]) * 100 for one in market.price_ranges if one.get("step")})
    return " to ".join(f"{step.normalize():f}¢" for step in steps) or "not known yet"
