"""Rows of the topic `decisions:<account>`: what rules decided, the newest 200."""

from apps.core.topics import TopicName
from apps.rfq.events.words import Row, ms, price
from apps.rfq.models import QuoteDecision

MOST = 200


def decisions_topic(account_id: int) -> str:
    return str(TopicName("decisions", str(account_id)))


def decision_key(pk: int) -> str:
    return f"decision:{pk}"


def decision_row(decision: QuoteDecision, title: str) -> Row:
    """decision: with its incoming request and its rule's version and rule."""
    version = decision.rule_version
    return {
        "v": 1,  # a decision never changes
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
    }
