"""The rules that are watching or armed, as they stood a second ago: asked of every request, in memory."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.errors import DeskError
from apps.rfq.models import QuoteRule, QuoteRuleVersion
from apps.rfq.reports import RfqReport
from apps.rfq.terms import RuleTerms, terms_from

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveRule:
    """A rule with its newest terms, read."""

    pk: int
    desk_id: int
    account: ExchangeAccount
    subaccount: int
    owner_id: int
    name: str
    is_armed: bool
    state_at: datetime
    version: QuoteRuleVersion
    terms: RuleTerms


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Immutable: a newer one takes its place. rules: by environment and desk, first one first."""

    rules: Mapping[str, Mapping[int, tuple[LiveRule, ...]]] = field(default_factory=dict)

    def candidates(self, environment: str, report: RfqReport) -> list[tuple[LiveRule, ...]]:
        """Return per desk the rules that the message itself speaks for, in their order; desks without are left out."""
        found = []
        for rules in self.rules.get(environment, {}).values():
            fitting = tuple(rule for rule in rules if rule.terms.match.fits(report))
            if fitting:
                found.append(fitting)
        return found

    def has_rules(self, environment: str) -> bool:
        return environment in self.rules

    def all(self) -> list[LiveRule]:
        return [rule for desks in self.rules.values() for rules in desks.values() for rule in rules]

    def of_account(self, account_id: int) -> list[LiveRule]:
        return [rule for rule in self.all() if rule.account.pk == account_id]


def rule_book_read() -> RuleBook:
    """Read the rules that are not off. One whose terms cannot be read any more is left out, and said."""
    rows = QuoteRule.objects.filter(is_deleted=False, account__is_active=True).exclude(state=QuoteRule.State.OFF)
    newest: dict[int, QuoteRuleVersion] = {}
    for version in QuoteRuleVersion.objects.filter(rule__in=rows).select_related("rule").order_by("number"):
        newest[version.rule_id] = version
    found: dict[str, dict[int, list[LiveRule]]] = {}
    for row in rows.select_related("account").order_by("priority", "pk"):
        live = _live(row, newest.get(row.pk))
        if live is not None:
            found.setdefault(row.account.environment, {}).setdefault(row.desk_id, []).append(live)
    return RuleBook({env: {desk: tuple(rules) for desk, rules in desks.items()} for env, desks in found.items()})


def live_rule(rule: QuoteRule, terms: Any) -> LiveRule | None:
    """A rule as if these were its terms (replay). Raises DeskError `bad_terms`."""
    version = rule.versions.order_by("-number").first()
    if version is None:
        return None
    return _of(rule, version, terms_from(terms))


def _live(row: QuoteRule, version: QuoteRuleVersion | None) -> LiveRule | None:
    if version is None:
        return None
    try:
        return _of(row, version, terms_from(version.terms))
    except DeskError as exc:
        logger.error("rule %s does not work: %s", row.pk, exc)
        return None


def _of(row: QuoteRule, version: QuoteRuleVersion, terms: RuleTerms) -> LiveRule:
    return LiveRule(
        pk=row.pk,
        desk_id=row.desk_id,
        account=row.account,
        subaccount=row.subaccount,
        owner_id=row.owner_id,
        name=row.name,
        is_armed=row.state == QuoteRule.State.ARMED,
        state_at=row.state_at,
        version=version,
        terms=terms,
    )
