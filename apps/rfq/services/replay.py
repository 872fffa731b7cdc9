"""Run what was asked and accepted in a period through changed terms, and show what would differ.

Decisions keep everything that they looked at, so they are decided again from that alone. What a rule had open then is
taken as it was; whether a requester takes another price nobody knows, so an accept is only said to be kept (same or
better price), doubtful (worse) or lost (no quote on that side).
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum

from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.quoting import Ruling, Situation, decide, from_json
from apps.core.rfq import Outcome, QuotePrices
from apps.core.timestamps import utc_now
from apps.orders.access import require
from apps.rfq.events.words import Row, dollars, ms, price
from apps.rfq.models import Confirmation, QuoteDecision, QuoteRule, StreamMinute
from apps.rfq.services.fair import FairSource
from apps.rfq.services.rule_engine import report_of
from apps.rfq.terms import RuleTerms, terms_from

MOST = 2_000  # decisions of one replay, the newest of the period
MOST_ROWS = 200
LONGEST = timedelta(days=7)
BUDGET_SECONDS = 3.0

Action = QuoteDecision.Action
QUOTED = (Action.QUOTE, Action.SHADOW)
UNMATCHED = Ruling("unmatched", "The rule would not match: the next one, or people, would decide.")


@dataclass(slots=True)
class Report:
    """What a replay found."""

    looked_at: int = 0
    unreadable: int = 0
    differ: int = 0
    before: Counter[str] = field(default_factory=Counter)  # by reason
    after: Counter[str] = field(default_factory=Counter)
    quoted_before: int = 0
    quoted_after: int = 0
    accepts: Counter[str] = field(default_factory=Counter)  # kept, doubtful, lost
    paid_change: Decimal = Decimal(0)  # of the accepts that are kept, dollars; negative: paid less
    rows: list[Row] = field(default_factory=list)
    is_whole: bool = True


def rule_replay(
    actor: Actor,
    rule: QuoteRule,
    *,
    terms: dict[str, Any],
    start: datetime,
    end: datetime,
    budget_seconds: float = BUDGET_SECONDS,
) -> Row:
    """Return what `terms` would have decided in [start, end) where the rule, or one after it, decided.

    Raises NotAllowed, DeskError `bad_terms`, `bad_input` (the period).
    """
    require(actor, Permission.RFQ_TRADE)
    changed = terms_from(terms)
    if not start < end or end - start > LONGEST:
        text = f"A period of at most {LONGEST.days} days."
        raise DeskError("bad_input", text, fields={"from_ms": text})
    made = _decisions(rule, start, end)
    hits = _accepts(made)
    report = Report(is_whole=len(made) <= MOST)
    stop_at = time.monotonic() + budget_seconds
    for decision in made[:MOST]:
        if time.monotonic() > stop_at:
            report.is_whole = False
            break
        _look(decision, rule, changed, hits, report)
    return _answer(rule, report, start, end)


def _decisions(rule: QuoteRule, start: datetime, end: datetime) -> list[QuoteDecision]:
    """The rule's own decisions, and those of later rules, which changed terms may now come before; newest first."""
    later = Q(rule_version__rule__desk_id=rule.desk_id, rule_version__rule__priority__gt=rule.priority)
    rows = QuoteDecision.objects.filter(
        Q(rule_version__rule=rule) | later,
        rule_version__rule__account__environment=rule.account.environment,
        decided_at__gte=start,
        decided_at__lt=end,
    ).exclude(action=Action.PULL)
    return list(rows.select_related("incoming", "rule_version__rule").order_by("-decided_at", "-pk")[: MOST + 1])


def _accepts(made: Iterable[QuoteDecision]) -> dict[tuple[int, int], Confirmation]:
    """Accepts of quotes that decisions made, by rule and request."""
    requests = {one.incoming_id for one in made if one.action == Action.QUOTE}
    found: dict[tuple[int, int], Confirmation] = {}
    ids = sorted(requests)
    for at in range(0, len(ids), 400):
        rows = Confirmation.objects.filter(
            quote__incoming_id__in=ids[at : at + 400], quote__rule_version__isnull=False
        ).select_related("quote__rule_version")
        for hit in rows:
            version = hit.quote.rule_version
            assert version is not None
            found[version.rule_id, hit.quote.incoming_id] = hit
    return found


def _look(
    decision: QuoteDecision,
    rule: QuoteRule,
    terms: RuleTerms,
    hits: dict[tuple[int, int], Confirmation],
    report: Report,
) -> None:
    if decision.reason == "too_late":
        return  # decided by the clock, not by terms
    is_ours = decision.rule_version.rule_id == rule.pk
    try:
        situation = _situation(decision, terms)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        report.unreadable += 1
        return
    asked = report_of(decision.incoming)
    fits = terms.match.fits(asked) and terms.match.fits_closing(situation.closes_at, situation.now)
    if not fits and not is_ours:
        return  # nothing changes for it
    after = decide(terms.quoting, situation) if fits else UNMATCHED
    report.looked_at += 1
    report.before[decision.reason] += 1
    report.after[after.reason] += 1
    report.quoted_before += decision.action in QUOTED
    report.quoted_after += after.prices is not None
    before = _prices(decision)
    accepted = None
    hit = hits.get((decision.rule_version.rule_id, decision.incoming_id))
    if hit is not None and hit.accepted_side and _is_of(hit, decision):
        accepted = _accepted(hit, after.prices, report)
    if before == after.prices and (before is not None or decision.reason == after.reason):
        return
    report.differ += 1
    if len(report.rows) < MOST_ROWS:
        report.rows.append(
            {
                "rfq_id": decision.incoming.rfq_id,
                "ticker": decision.incoming.ticker,
                "at_ms": ms(decision.decided_at),
                "rule": {"id": decision.rule_version.rule_id, "name": decision.rule_version.rule.name},
                "before": _side(decision.reason, decision.text, before),
                "after": _side(after.reason, after.text, after.prices),
                "accepted": accepted,
            }
        )


def _situation(decision: QuoteDecision, terms: RuleTerms) -> Situation:
    """What the decision looked at, with the fair value of the changed terms' source."""
    kept = decision.inputs
    situation = from_json(kept["situation"])
    source = terms.source
    if source.value == kept["source"]:
        return situation
    raw = kept["fairs"][source.value]
    value = None if raw is None else Decimal(raw)
    is_mark = source in (FairSource.MANUAL, FairSource.FILE)
    return replace(
        situation,
        fair=value,
        # Live values of other sources were read at the same moment.
        fair_at=situation.now if is_mark or situation.fair_at is None else situation.fair_at,
        fair_why="" if value is not None else f"There was no value by {source.value} then.",
    )


def _is_of(hit: Confirmation, decision: QuoteDecision) -> bool:
    """A request that was priced anew has several decisions: the accept belongs to the one of the quote's prices."""
    return (hit.quote.yes_bid, hit.quote.no_bid) == (decision.yes_bid, decision.no_bid)


def _accepted(hit: Confirmation, after: QuotePrices | None, report: Report) -> Row:
    side = Outcome(hit.accepted_side)
    paid = hit.quote.yes_bid if side is Outcome.YES else hit.quote.no_bid
    now = None if after is None else after.maker_price(side)
    outcome = "lost" if now is None else ("kept" if now >= paid else "doubtful")
    report.accepts[outcome] += 1
    if now is not None and outcome == "kept" and hit.contracts is not None:
        report.paid_change += (now - paid) * hit.contracts
    return {
        "side": side.value,
        "contracts": None if hit.contracts is None else str(hit.contracts),
        "state": hit.state,
        "price_before": price(paid),
        "price_after": price(now),
        "outcome": outcome,
    }


def _prices(decision: QuoteDecision) -> QuotePrices | None:
    if decision.action not in QUOTED or decision.yes_bid is None or decision.no_bid is None:
        return None
    return QuotePrices(decision.yes_bid, decision.no_bid)


def _side(reason: str, text: str, prices: QuotePrices | None) -> Row:
    return {
        "action": "pass" if prices is None else "quote",
        "reason": reason,
        "text": text,
        "yes_bid": None if prices is None else price(prices.yes_bid),
        "no_bid": None if prices is None else price(prices.no_bid),
    }


def _answer(rule: QuoteRule, report: Report, start: datetime, end: datetime) -> Row:
    minutes = StreamMinute.objects.filter(
        account__environment=rule.account.environment, minute__gte=start, minute__lt=end
    )
    counted = sum(report.accepts.values())
    return {
        "from_ms": ms(start),
        "to_ms": ms(end),
        "made_ms": ms(utc_now()),
        "seen": minutes.aggregate(seen=Sum("seen"))["seen"] or 0,
        "looked_at": report.looked_at,
        "unreadable": report.unreadable,
        "differ": report.differ,
        "quoted": {"before": report.quoted_before, "after": report.quoted_after},
        "reasons": {"before": dict(report.before), "after": dict(report.after)},
        "accepts": {
            "n": counted,
            **{name: report.accepts[name] for name in ("kept", "doubtful", "lost")},
            "paid_change": dollars(report.paid_change),
        },
        "rows": report.rows,
        "is_whole": report.is_whole and report.differ <= MOST_ROWS,
        "note": (
            "Only requests that this rule or a later one decided are stored. What was open then is taken as it was."
        ),
    }
