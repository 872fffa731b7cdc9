"""What disarms an armed rule by itself: looked at each second, before anything else is quoted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from apps.core.errors import DeskError
from apps.core.money import dollars_text
from apps.core.permissions import Permission
from apps.core.rfq import ConfirmationState, Outcome
from apps.exchange.selectors import feed_state
from apps.markets.models import Market
from apps.orders.access import actor_of
from apps.orders.services.pauses import pause_check
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services.fair import valuation_of
from apps.rfq.services.rule_book import LiveRule

MINUTE = timedelta(minutes=1)
FILLED = (ConfirmationState.CONFIRMED, ConfirmationState.EXECUTED)
LOST = (ConfirmationState.LAPSED, ConfirmationState.MISSED)
ENDED = (*LOST, *FILLED, ConfirmationState.FAILED)
RATE_LIMITED = "rate_limited"
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Trip:
    """Why a rule must not go on. code: stable."""

    code: str
    why: str


def tripped(rule: LiveRule, *, feed_lost_for: timedelta, now: datetime) -> Trip | None:
    """Return the first breaker that an armed rule has tripped. feed_lost_for: how long the feed has not been live."""
    limits = rule.terms.breakers
    owner = actor_of(user_id=rule.owner_id, desk_id=rule.desk_id)
    if owner is None or not owner.may(Permission.RFQ_TRADE):
        return Trip("rule_owner", "its owner may no longer trade requests")
    try:
        pause_check(user_id=rule.owner_id, desk_id=rule.desk_id)
    except DeskError as exc:
        return Trip("paused", exc.text)
    if feed_lost_for >= limits.feed_stale:
        return Trip("feed_stale", f"the feed has not been live for {int(feed_lost_for.total_seconds())} s")
    # What happened before it was armed (again) was judged then.
    since = max(now - MINUTE, rule.state_at)
    hits = Confirmation.objects.filter(quote__rule_version__rule_id=rule.pk)
    fills = hits.filter(state__in=FILLED, heard_at__gte=since).count()
    if fills > limits.fills_per_min:
        return Trip("fills_per_min", f"{fills} fills within a minute; the most is {limits.fills_per_min}")
    limited = Quote.objects.filter(rule_version__rule_id=rule.pk, created_at__gte=since, error_code=RATE_LIMITED)
    refused = limited.count()
    if refused >= limits.refused_per_min:
        return Trip("rate_limited", f"the exchange refused {refused} quotes within a minute for their rate")
    ended = hits.filter(state__in=ENDED, heard_at__gte=rule.state_at).order_by("-heard_at", "-pk")
    last = list(ended.values_list("state", flat=True)[: limits.lapses_in_row])
    if len(last) == limits.lapses_in_row and all(state in LOST for state in last):
        return Trip("lapses_in_row", f"the last {len(last)} accepts lapsed or were missed")
    loss = -result_of(rule, now=now)
    if loss > limits.loss_per_day:
        words = dollars_text(loss.quantize(CENT))
        return Trip("loss_per_day", f"{words} lost today; the most is {dollars_text(limits.loss_per_day)}")
    return None


def result_of(rule: LiveRule, *, now: datetime) -> Decimal:
    """Return what today's (UTC) fills of a rule are worth now, less what they cost, dollars; fees left out.

    A settled market counts at its settlement value, another at its present fair value, else at that of the quote.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    hits = Confirmation.objects.filter(
        quote__rule_version__rule_id=rule.pk, state__in=FILLED, heard_at__gte=today
    ).select_related("quote__incoming")
    fills = [hit for hit in hits if hit.accepted_side and hit.contracts]
    if not fills:
        return Decimal(0)
    environment = rule.account.environment
    markets = [(hit.quote.ticker, hit.quote.incoming.legs) for hit in fills]
    valuation = valuation_of(environment, rule.desk_id, markets, now=now)
    settled = dict(
        Market.objects.filter(
            environment=environment, ticker__in=[ticker for ticker, _ in markets], settlement_value__isnull=False
        ).values_list("ticker", "settlement_value")
    )
    result = Decimal(0)
    for hit in fills:
        quote = hit.quote
        value = settled.get(quote.ticker)
        if value is None:
            value = valuation.fair_of(quote.ticker, quote.incoming.legs, rule.terms.source).value
        if value is None:
            value = quote.fair_yes
        is_yes = hit.accepted_side == Outcome.YES
        paid = quote.yes_bid if is_yes else quote.no_bid
        if value is not None:
            result += ((value if is_yes else 1 - value) - paid) * hit.contracts
    return result


class FeedWatch:
    """How long each environment's feed has not been live; one thread."""

    def __init__(self) -> None:
        self._lost_at: dict[str, datetime] = {}

    def lost_for(self, environment: str, *, now: datetime) -> timedelta:
        if feed_state(environment).state == "live":
            self._lost_at.pop(environment, None)
            return timedelta()
        return now - self._lost_at.setdefault(environment, now)
