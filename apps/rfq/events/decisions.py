"""Rows of the topic `decisions:<account>`: what rules decided, the newest 200."""

from apps.core.topics import TopicName
from apps.rfq.events.words import Row, count, dollars, ms, price
from apps.rfq.models import QuoteDecision, ShadowGrade

MOST = 200


def decisions_topic(account_id: int) -> str:
    return str(TopicName("decisions", str(account_id)))


def decision_key(pk: int) -> str:
    return f"decision:{pk}"


def decision_row(decision: QuoteDecision, title: str) -> Row:
    """decision: with its incoming request, its rule's version and rule, and its grade."""
    version = decision.rule_version
    grade: ShadowGrade | None = getattr(decision, "grade", None)
    if grade is not None and grade.graded_at is None:
        grade = None
    return {
        "v": 1 if grade is None else 2,  # a decision changes once: when it is graded
        "key": decision_key(decision.pk),
        "rfq_id": decision.incoming.rfq_id,
        "ticker": decision.incoming.ticker,
        "title": title,
        "rule": {"id": version.rule_id, "name": version.rule.name, "version": version.number},
        "action": decision.action,
        "reason": decision.reason,
        "text": decision.text,
        "yes_bid": price(decision.yes_bid),
        "no_bid": price(decision.no_bid),
        "fair": price(decision.fair_yes),
        "decided_ms": ms(decision.decided_at),
        "took_ms": decision.took_ms,
        "grade": None if grade is None else grade_row(grade),
    }


def grade_row(grade: ShadowGrade) -> Row:
    """What a quote in the shadow would have made, inferred from public prints."""
    return {
        "standing": grade.standing or None,
        "side": grade.side or None,
        "contracts": count(grade.contracts),
        "print_yes": price(grade.print_yes),
        "yes_mid": price(grade.yes_mid),
        "made": dollars(grade.made),
        "why_not": grade.why_not,
    }
