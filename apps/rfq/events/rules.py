"""Rows of the topic `rules:<account>`: the auto-quote grid of one account."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Sum

from apps.core.rfq import ConfirmationState
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName
from apps.exchange import live
from apps.rfq.events.words import Row, dollars, ms, person
from apps.rfq.models import Confirmation, Quote, QuoteDecision, QuoteRule, QuoteRuleVersion, ShadowGrade

Action = QuoteDecision.Action
_CONFIRMED = (ConfirmationState.CONFIRMED, ConfirmationState.EXECUTED)
_LAPSED = (ConfirmationState.LAPSED, ConfirmationState.MISSED)


def rules_topic(account_id: int) -> str:
    return str(TopicName("rules", str(account_id)))


def rule_key(pk: int) -> str:
    return f"rule:{pk}"


def rule_publish(pk: int) -> None:
    """Tell the browsers after the commit, as it stands then; a removed rule is taken off their grids."""

    def build() -> None:
        rule = QuoteRule.objects.select_related("account", "owner", "state_by").get(pk=pk)
        row = None if rule.is_deleted else rule_row(rule)
        live.publish_rows(rules_topic(rule.account_id), {rule_key(pk): row})

    transaction.on_commit(build)


def rule_row(rule: QuoteRule, *, now: datetime | None = None) -> Row:
    version = rule.versions.select_related("made_by", "approved_by").order_by("-number").first()
    told: dict[str, Any] = version.terms if version else {}
    return {
        "v": live.next_version(),  # counts change without the rule
        "key": rule_key(rule.pk),
        "id": rule.pk,
        "account_id": rule.account_id,
        "subaccount": rule.subaccount,
        "name": rule.name,
        "priority": rule.priority,
        "state": rule.state,
        "state_text": rule.get_state_display(),
        "state_why": rule.state_why,
        "state_by": person(rule.state_by),
        "state_ms": ms(rule.state_at),
        "owner": person(rule.owner),
        "version": version.number if version else 0,
        "terms": told,
        "why": version.why if version else "",
        "made_by": person(version.made_by) if version else None,
        "made_ms": ms(version.made_at) if version else None,
        "approved_by": person(version.approved_by) if version else None,
        "counts": counts_of(rule, now=now or utc_now()),
        "breakers": told.get("breakers") or {},
    }


def version_row(version: QuoteRuleVersion) -> Row:
    """One version of a rule: what it said, who wrote it, why, and who armed what another had written."""
    return {
        "number": version.number,
        "terms": version.terms,
        "why": version.why,
        "made_by": person(version.made_by),
        "made_ms": ms(version.made_at),
        "approved_by": person(version.approved_by),
        "approved_ms": ms(version.approved_at),
    }


def counts_of(rule: QuoteRule, *, now: datetime) -> Row:
    """What the rule did today (UTC)."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    made = QuoteDecision.objects.filter(rule_version__rule=rule, decided_at__gte=today)
    by_action = dict(made.values_list("action").annotate(number=Count("pk")))
    won = Confirmation.objects.filter(quote__rule_version__rule=rule, heard_at__gte=today)
    by_state = dict(won.values_list("state").annotate(number=Count("pk")))
    live_now = Quote.objects.filter(rule_version__rule=rule, state="open", pull_wanted_at=None).count()
    return {
        "seen": sum(number for action, number in by_action.items() if action != Action.PULL),
        "quoted": by_action.get(Action.QUOTE, 0),
        "would_quote": by_action.get(Action.SHADOW, 0),
        "passed": by_action.get(Action.PASS, 0),
        "open": live_now,
        "won": sum(by_state.values()),
        "confirmed": sum(by_state.get(state, 0) for state in _CONFIRMED),
        "lapsed": sum(by_state.get(state, 0) for state in _LAPSED),
        "shadow": shadow_of(rule, today=today),
    }


def shadow_of(rule: QuoteRule, *, today: datetime) -> Row:
    """What the rule would have made today in the shadow, of what could be graded."""
    graded = ShadowGrade.objects.filter(
        decision__rule_version__rule=rule, decision__decided_at__gte=today, graded_at__isnull=False
    ).exclude(standing="")
    by_standing = dict(graded.values_list("standing").annotate(number=Count("pk")))
    won = graded.filter(standing=ShadowGrade.Standing.WON, made__isnull=False)
    sums = won.aggregate(made=Sum("made"), n=Count("pk"))
    return {
        "graded": sum(by_standing.values()),
        **{name: by_standing.get(name, 0) for name in ShadowGrade.Standing.values},
        "valued": sums["n"],
        "made": dollars(sums["made"]),
    }
