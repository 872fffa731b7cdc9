"""What armed rules need each second: breakers, and their open quotes followed when fair value moves."""

import logging
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from apps.core.money import cents_text
from apps.core.quoting import Ruling
from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.rfq.models import Quote, QuoteDecision
from apps.rfq.services.breakers import FeedWatch, tripped
from apps.rfq.services.decisions import decisions_tell
from apps.rfq.services.fair import FairSource, Valuation, valuation_of
from apps.rfq.services.market_facts import FactsCache
from apps.rfq.services.quotes import pull_want
from apps.rfq.services.rule_book import LiveRule
from apps.rfq.services.rule_engine import Made, RuleEngine, Use, report_of, store, use_of
from apps.rfq.services.rules import rule_disarm

logger = logging.getLogger(__name__)

Action = QuoteDecision.Action


def breakers_check(rules: Iterable[LiveRule], watch: FeedWatch, *, now: datetime | None = None) -> list[int]:
    """Disarm the armed rules that must not go on; returns their ids."""
    now = now or utc_now()
    disarmed = []
    for rule in rules:
        lost_for = watch.lost_for(rule.account.environment, now=now)
        trip = tripped(rule, feed_lost_for=lost_for, now=now) if rule.is_armed else None
        if trip is not None and rule_disarm(rule.pk, why=trip.why, code=trip.code):
            logger.error("rule %s was disarmed: %s", rule.pk, trip.why)
            disarmed.append(rule.pk)
    return disarmed


def quotes_follow(rules: Iterable[LiveRule], engine: RuleEngine, *, now: datetime | None = None) -> list[QuoteDecision]:
    """Price anew, or pull, open quotes of armed rules whose fair value moved by more than their terms say."""
    now = now or utc_now()
    stored: list[QuoteDecision] = []
    for rule in rules:
        if rule.is_armed and rule.terms.reprice_move is not None:
            stored += _follow(rule, rule.terms.reprice_move, engine, now=now)
    decisions_tell(stored)
    return stored


def _follow(rule: LiveRule, most: Decimal, engine: RuleEngine, *, now: datetime) -> list[QuoteDecision]:
    rows = Quote.objects.select_related("account", "incoming").filter(
        rule_version__rule_id=rule.pk, state=QuoteState.OPEN, pull_wanted_at=None
    )
    quotes = [quote for quote in rows if quote.fair_yes is not None]
    if not quotes:
        return []
    markets = [(quote.ticker, quote.incoming.legs) for quote in quotes]
    environment = rule.account.environment
    valuation = valuation_of(environment, rule.desk_id, markets, now=now)
    facts = engine.facts_of(environment)
    facts.read({ticker for ticker, _ in markets})
    use = use_of(rule)
    found = []
    for quote in quotes:
        fair = valuation.fair_of(quote.ticker, quote.incoming.legs, rule.terms.source)
        is_old = fair.at is None or (
            fair.source not in (FairSource.MANUAL, FairSource.FILE) and now - fair.at > rule.terms.quoting.max_age
        )
        if fair.value is not None and not is_old and abs(fair.value - quote.fair_yes) <= most:
            continue
        found.append(_again(rule, quote, valuation, facts, use, engine, now=now))
    return found


def _again(
    rule: LiveRule,
    quote: Quote,
    valuation: Valuation,
    facts: FactsCache,
    use: Use,
    engine: RuleEngine,
    *,
    now: datetime,
) -> QuoteDecision:
    """Replace a quote by one at today's price; where the rule would not quote now, pull it."""
    made = engine.decide(rule, report_of(quote.incoming), facts.of(quote.ticker), valuation, use, now=now)
    if made.action == Action.QUOTE:
        decision = engine.quote(made, use)
        if decision.action == Action.QUOTE:
            return decision
        made = Made(rule, made.report, Action.PASS, Ruling(decision.reason, decision.text), made.inputs, made.fair, now)
    before = cents_text(quote.fair_yes)
    text = f"Fair value was {before} when it was quoted. {made.ruling.text}"
    made = Made(rule, made.report, Action.PULL, Ruling(made.ruling.reason, text), made.inputs, made.fair, now)
    with transaction.atomic():
        (decision,) = store([made])
        pull_want(quote, actor_id=None, why="fair value moved, and its rule would not quote now", now=now)
    return decision
