"""Tells browsers what rules decided: in batches, the newest of each account and no more."""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

from apps.exchange import live
from apps.rfq.events.decisions import MOST, decision_key, decision_row, decisions_topic
from apps.rfq.events.words import titles_of
from apps.rfq.models import QuoteDecision

# Keys told per account, so that what falls out of the newest is taken off the screens.
_told: defaultdict[int, deque[str]] = defaultdict(deque)


def decisions_tell(made: Iterable[QuoteDecision]) -> None:
    """Publish decisions that were stored just now. One thread of the gateway."""
    by_account: defaultdict[int, list[QuoteDecision]] = defaultdict(list)
    for one in made:
        by_account[one.rule_version.rule.account_id].append(one)
    for account_id, decisions in by_account.items():
        titles = titles_of(decisions[0].incoming.environment, [one.incoming.ticker for one in decisions])
        rows: dict[str, Any] = {}
        told = _told[account_id]
        for one in decisions[-MOST:]:
            rows[decision_key(one.pk)] = decision_row(one, titles[one.incoming.ticker])
            told.append(decision_key(one.pk))
        while len(told) > MOST:
            rows[told.popleft()] = None
        live.publish_rows(decisions_topic(account_id), rows)
