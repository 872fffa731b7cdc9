"""Rules of one account and what they decided, as rows."""

from apps.rfq.events.decisions import MOST, decision_key, decision_row
from apps.rfq.events.rules import rule_key, rule_row, version_row
from apps.rfq.events.words import Row, titles_of
from apps.rfq.models import QuoteDecision, QuoteRule

MOST_VERSIONS = 100


def rule_rows_of(account_id: int) -> dict[str, Row]:
    """Return the grid, by row key."""
    rules = QuoteRule.objects.filter(account_id=account_id, is_deleted=False)
    rules = rules.select_related("account", "owner", "state_by").order_by("priority", "pk")
    return {rule_key(rule.pk): rule_row(rule) for rule in rules}


def version_rows_of(rule: QuoteRule) -> list[Row]:
    """Return the newest versions of a rule, newest first."""
    versions = rule.versions.select_related("made_by", "approved_by").order_by("-number")
    return [version_row(version) for version in versions[:MOST_VERSIONS]]


def decision_rows_of(account_id: int) -> dict[str, Row]:
    """Return the newest decisions, by row key."""
    made = QuoteDecision.objects.filter(rule_version__rule__account_id=account_id)
    newest = list(made.select_related("incoming", "rule_version__rule", "grade").order_by("-pk")[:MOST])
    if not newest:
        return {}
    titles = titles_of(newest[0].incoming.environment, [one.incoming.ticker for one in newest])
    return {decision_key(one.pk): decision_row(one, titles[one.incoming.ticker]) for one in newest}
