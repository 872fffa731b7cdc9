"""Rules of one account and what they decided, as rows."""

from apps.rfq.events.decisions import MOST, decision_key, decision_row
from apps.rfq.events.rules import rule_key, rule_row
from apps.rfq.events.words import Row, titles_of
from apps.rfq.models import QuoteDecision, QuoteRule


def rule_rows_of(account_id: int) -> dict[str, Row]:
    """Return the grid, by row key."""
    rules = QuoteRule.objects.filter(account_id=account_id, is_deleted=False)
    rules = rules.select_related("account", "owner", "state_by").order_by("priority", "pk")
    return {rule_key(rule.pk): rule_row(rule) for rule in rules}


def decision_rows_of(account_id: int) -> dict[str, Row]:
    """Return the newest decisions, by row key."""
    made = QuoteDecision.objects.filter(rule_version__rule__account_id=account_id)
    newest = list(made.select_related("incoming", "rule_version__rule").order_by("-pk")[:MOST])
    if not newest:
        return {}
    titles = titles_of(newest[0].incoming.environment, [one.incoming.ticker for one in newest])
    return {decision_key(one.pk): decision_row(one, titles[one.incoming.ticker]) for one in newest}
