"""Decides by rule: the first that matches, its price, its caps; then quotes in its owner's name, or says why not.

Runs in one thread of the gateway, over a few requests at a time. Passes are stored together; a quote is committed by
`quotes.quote_submit` like a person's, with the owner's role asked again, and each decision keeps all that it looked at.
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.core.errors import DeskError
from apps.core.money import format_price
from apps.core.permissions import Permission
from apps.core.quoting import Ruling, Situation, decide, to_json, worst_cost
from apps.core.rfq import Outcome, QuotePrices
from apps.core.timestamps import to_unix_ms, utc_now
from apps.orders.access import actor_of
from apps.orders.services.checks import holding_of
from apps.rfq.models import IncomingRfq, Quote, QuoteDecision, Rfq
from apps.rfq.offers import Offer
from apps.rfq.reports import RfqReport
from apps.rfq.services.decisions import decisions_tell
from apps.rfq.services.fair import FairSource, Valuation, valuation_of
from apps.rfq.services.incoming import incoming_keep
from apps.rfq.services.last_look import MARKED
from apps.rfq.services.market_facts import FactsCache, MarketFacts
from apps.rfq.services.quotes import LIVE, Grounds, quote_submit
from apps.rfq.services.rule_book import LiveRule
from apps.rfq.services.rule_queue import Candidate

logger = logging.getLogger(__name__)

Action = QuoteDecision.Action
GOOD_FOR_MS = 2_000  # a request that waited longer, its rule's delay apart, is passed on: others answered it
PRICE_STEP = Decimal("0.0001")
_UNSENT = ("committed", "sending", "unknown")  # own requests whose id is not known here yet


@dataclass(slots=True)
class Use:
    """What a rule has open: request -> worst cost, dollars."""

    open: dict[str, Decimal] = field(default_factory=dict)

    def without(self, rfq_id: str) -> tuple[int, Decimal]:
        others = {key: cost for key, cost in self.open.items() if key != rfq_id}
        return len(others), sum(others.values(), start=Decimal(0))


@dataclass(slots=True)
class Made:
    """A decision before it is stored."""

    rule: LiveRule
    report: RfqReport
    action: QuoteDecision.Action
    ruling: Ruling
    inputs: dict[str, Any]
    fair: Decimal | None
    at: datetime
    took_ms: int = 0


class RuleEngine:
    """One thread uses it."""

    def __init__(self) -> None:
        self._facts: dict[str, FactsCache] = {}

    def work(self, candidates: Sequence[Candidate], *, now: datetime | None = None) -> list[QuoteDecision]:
        """Decide about each; returns what was stored, in order. now: our clock (tests)."""
        stored: list[QuoteDecision] = []
        passes: list[Made] = []
        uses: dict[int, Use] = {}
        own = _own(candidates)
        for (environment, desk_id), group in _by_desk(candidates).items():
            moment = now or utc_now()
            facts = self.facts_of(environment)
            facts.read({one.report.ticker for one in group})
            chosen = []
            for candidate in group:
                report = candidate.report
                if (environment, report.rfq_id) in own or (environment, report.ticker) in own:
                    continue
                rule = _first(candidate.rules, facts.of(report.ticker), moment)
                if rule is None:
                    continue
                waited = to_unix_ms(moment) - candidate.due_ms
                if waited > GOOD_FOR_MS:  # first of all: what is late must not make the others late
                    late = Ruling("too_late", f"It waited {waited} ms for the rules.")
                    passes.append(Made(rule, report, Action.PASS, late, {}, None, moment, waited))
                else:
                    chosen.append((candidate, rule))
            markets = [(candidate.report.ticker, candidate.report.legs) for candidate, _ in chosen]
            valuation = valuation_of(environment, desk_id, markets, now=moment)
            for candidate, rule in chosen:
                if rule.pk not in uses:
                    uses[rule.pk] = use_of(rule)
                use, report = uses[rule.pk], candidate.report
                made = self.decide(rule, report, facts.of(report.ticker), valuation, use, now=moment)
                made.took_ms = max(0, to_unix_ms(utc_now()) - candidate.seen_ms)
                if made.action == Action.QUOTE:
                    stored.append(self.quote(made, use))
                else:
                    passes.append(made)
        stored += store(passes)
        decisions_tell(stored)
        return stored

    def facts_of(self, environment: str) -> FactsCache:
        return self._facts.setdefault(environment, FactsCache(environment))

    def decide(
        self, rule: LiveRule, report: RfqReport, market: MarketFacts, valuation: Valuation, use: Use, *, now: datetime
    ) -> Made:
        """Return what the rule says of a request; nothing is stored or sent."""
        situation = situation_of(rule, report, market, valuation, use, now=now)
        ruling = decide(rule.terms.quoting, situation)
        action = Action.PASS
        if ruling.prices is not None:
            action = Action.QUOTE if rule.is_armed else Action.SHADOW
        fairs = {
            source.value: _text(valuation.fair_of(report.ticker, report.legs, source).value) for source in FairSource
        }
        inputs = {"situation": to_json(situation), "fairs": fairs, "source": rule.terms.source.value}
        return Made(rule, report, action, ruling, inputs, situation.fair, now)

    def quote(self, made: Made, use: Use) -> QuoteDecision:
        """Quote in the owner's name and store the decision; a refusal is a pass with the refusal's code."""
        rule, report, prices = made.rule, made.report, made.ruling.prices
        assert prices is not None
        incoming = incoming_keep(rule.account.environment, report)
        try:
            actor = actor_of(user_id=rule.owner_id, desk_id=rule.desk_id)
            if actor is None or not actor.may(Permission.RFQ_TRADE):
                raise DeskError("rule_owner", "The owner of this rule may no longer trade requests on this desk.")
            actor = replace(actor, account_id=rule.account.pk, subaccount=rule.subaccount)
            offer = _offer(rule, incoming, prices)
            # Live prices to judge an accept by are added when it is committed.
            book: dict[str, str | None] = {"fair_source": made.inputs["source"]}
            fair = None if made.fair is None else made.fair.quantize(PRICE_STEP)
            if made.inputs["source"] in MARKED and fair is not None:
                book["reference"] = str(fair)  # its moves are those of the mark, whatever the book does
            grounds = Grounds(fair_yes=fair, book=book, rule_version=rule.version)
            quote_submit(actor, offer, incoming, grounds=grounds)
            use.open[report.rfq_id] = made.ruling.worst_cost
        except DeskError as exc:
            made = _passed(made, f"refused_{exc.code}", exc.text)
        return store([made])[0]


def situation_of(
    rule: LiveRule, report: RfqReport, market: MarketFacts, valuation: Valuation, use: Use, *, now: datetime
) -> Situation:
    fair = valuation.fair_of(report.ticker, report.legs, rule.terms.source)
    tickers = [leg["market_ticker"] for leg in report.legs] or [report.ticker]
    holding = holding_of(rule.account.pk, rule.subaccount, report.ticker)
    open_quotes, at_risk = use.without(report.rfq_id)
    return Situation(
        now=now,
        ranges=market.ranges,
        market_status=market.status,
        closes_at=market.closes_at,
        contracts=report.contracts,
        target_cost=report.target_cost,
        fair=fair.value,
        # A mark is as good as its own end says: its age is not that of a live price.
        fair_at=now if fair.source in (FairSource.MANUAL, FairSource.FILE) else fair.at,
        fair_why=fair.why,
        has_book=all(valuation.touch_of(ticker).middle is not None for ticker in tickers),
        position=holding.position,
        open_quotes=open_quotes,
        at_risk=at_risk,
    )


def use_of(rule: LiveRule) -> Use:
    """Read what a rule has open."""
    rows = Quote.objects.filter(rule_version__rule_id=rule.pk, state__in=LIVE).select_related("incoming")
    use = Use()
    for quote in rows:
        incoming = quote.incoming
        prices = QuotePrices(quote.yes_bid, quote.no_bid)
        sizes = {"contracts": incoming.contracts, "target_cost": incoming.target_cost}
        use.open[incoming.rfq_id] = max(worst_cost(prices, side, **sizes) for side in Outcome)
    return use


def report_of(incoming: IncomingRfq) -> RfqReport:
    """A stored request as a report."""
    return RfqReport(
        rfq_id=incoming.rfq_id,
        ticker=incoming.ticker,
        event_ticker=incoming.event_ticker,
        requester=incoming.requester,
        contracts=incoming.contracts,
        target_cost=incoming.target_cost,
        collection=incoming.collection_ticker,
        legs=tuple(incoming.legs),
        is_open=incoming.deleted_at is None,
        created_at=incoming.created_at,
    )


def _first(rules: Iterable[LiveRule], market: MarketFacts, now: datetime) -> LiveRule | None:
    return next((rule for rule in rules if rule.terms.match.fits_closing(market.closes_at, now)), None)


def _by_desk(candidates: Iterable[Candidate]) -> dict[tuple[str, int], list[Candidate]]:
    found: dict[tuple[str, int], list[Candidate]] = {}
    for one in candidates:
        found.setdefault((one.environment, one.rules[0].desk_id), []).append(one)
    return found


def _own(candidates: Sequence[Candidate]) -> set[tuple[str, str]]:
    """Return (environment, request) of our own requests, and (environment, market) where one's id is not known yet."""
    ids = {one.report.rfq_id for one in candidates}
    tickers = {one.report.ticker for one in candidates}
    known = Rfq.objects.filter(rfq_id__in=ids).values_list("account__environment", "rfq_id")
    unsent = Rfq.objects.filter(rfq_id=None, state__in=_UNSENT, ticker__in=tickers)
    return {(env, str(one)) for env, one in known} | set(unsent.values_list("account__environment", "ticker"))


def _offer(rule: LiveRule, incoming: IncomingRfq, prices: QuotePrices) -> Offer:
    terms = rule.terms
    # The same attempt has the same key: what is decided twice is quoted once.
    before = Quote.objects.filter(incoming=incoming, rule_version=rule.version).count()
    return Offer(
        idempotency_key=uuid.uuid5(uuid.NAMESPACE_OID, f"rule:{rule.version.pk}:{incoming.pk}:{before}"),
        account_id=rule.account.pk,
        subaccount=rule.subaccount,
        rfq_id=incoming.rfq_id,
        prices=prices,
        post_only=terms.post_only,
        rest_remainder=terms.rest_remainder,
        policy=terms.policy,
        max_move=terms.max_move,
        ends_in=terms.lasts,
    )


def _passed(made: Made, reason: str, text: str) -> Made:
    return replace(made, action=Action.PASS, ruling=Ruling(reason, text))


def store(made: Sequence[Made]) -> list[QuoteDecision]:
    """Keep decisions with their requests: a few statements and one commit for all of them."""
    if not made:
        return []
    with transaction.atomic():
        kept = _keep_requests(made)
        rows = [_row(one, kept[one.rule.account.environment, one.report.rfq_id]) for one in made]
        return QuoteDecision.objects.bulk_create(rows)


def _keep_requests(made: Sequence[Made]) -> dict[tuple[str, str], IncomingRfq]:
    by_environment: dict[str, dict[str, RfqReport]] = {}
    for one in made:
        by_environment.setdefault(one.rule.account.environment, {})[one.report.rfq_id] = one.report
    found: dict[tuple[str, str], IncomingRfq] = {}
    for environment, asked in by_environment.items():
        rows = IncomingRfq.objects.filter(environment=environment, rfq_id__in=asked)
        known = {row.rfq_id: row for row in rows}
        missing = [report for rfq_id, report in asked.items() if rfq_id not in known]
        if missing:
            fresh = [_incoming(environment, report) for report in missing]
            # Somebody may keep the same request at this moment: then theirs is the row.
            IncomingRfq.objects.bulk_create(fresh, ignore_conflicts=True)
            known |= {row.rfq_id: row for row in rows.all()}
        found |= {(environment, rfq_id): row for rfq_id, row in known.items()}
    return found


def _incoming(environment: str, report: RfqReport) -> IncomingRfq:
    return IncomingRfq(
        environment=environment,
        rfq_id=report.rfq_id,
        ticker=report.ticker,
        event_ticker=report.event_ticker,
        collection_ticker=report.collection,
        legs=list(report.legs),
        requester=report.requester,
        contracts=report.contracts,
        target_cost=report.target_cost,
        created_at=report.created_at,
        seen_at=utc_now(),
    )


def _row(made: Made, incoming: IncomingRfq) -> QuoteDecision:
    prices = made.ruling.prices
    return QuoteDecision(
        incoming=incoming,
        rule_version=made.rule.version,
        action=made.action,
        reason=made.ruling.reason[:60],
        text=made.ruling.text[:300],
        yes_bid=None if prices is None else prices.yes_bid,
        no_bid=None if prices is None else prices.no_bid,
        fair_yes=None if made.fair is None else made.fair.quantize(PRICE_STEP),
        inputs=made.inputs,
        decided_at=made.at,
        took_ms=made.took_ms,
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format_price(value.quantize(PRICE_STEP))
