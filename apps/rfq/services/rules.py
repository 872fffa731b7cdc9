"""Rules of the auto-quote grid: written, ordered, armed and disarmed. What they say is kept in versions for good.

New terms disarm a rule: what was armed is not what would quote now. Anybody who may pull may disarm; arming takes a
lead, and on production somebody other than the author of the terms.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from apps.accounts.access import account_get
from apps.accounts.models import Environment
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of, require
from apps.orders.services.pauses import pause_check
from apps.rfq.access import rules_visible_to
from apps.rfq.events import rules as events
from apps.rfq.models import Quote, QuoteRule, QuoteRuleVersion
from apps.rfq.services.four_eyes import Size, above
from apps.rfq.services.quotes import LIVE, pull_want
from apps.rfq.terms import terms_from

State = QuoteRule.State
MOST = 200  # rules of one desk
MAX_NAME = 60
MAX_WHY = 200


def rule_save(
    actor: Actor, *, terms: dict[str, Any], why: str, name: str = "", rule: QuoteRule | None = None
) -> QuoteRule:
    """Make a rule, or give one new terms: a new version, disarmed. Of the selected account.

    Raises NotAllowed, NotFound, DeskError `bad_terms`, `bad_input`, `too_many_rules`.
    """
    require(actor, Permission.RFQ_TRADE)
    terms_from(terms)
    name, why = name.strip() or (rule.name if rule else ""), why.strip()
    faults = {}
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        faults["name"] = f"1 to {MAX_NAME} characters."
    if not 0 < len(why) <= MAX_WHY:
        faults["why"] = f"Say why, in at most {MAX_WHY} characters: it is kept with the version."
    if faults:
        raise DeskError("bad_input", "Some fields cannot be read: " + "; ".join(faults), fields=faults)
    if rule is not None:
        _own_check(actor, rule)
    now = utc_now()
    with transaction.atomic():
        if rule is None:
            rule = _make(actor, name=name, now=now)
        else:
            QuoteRule.objects.filter(pk=rule.pk).update(name=name, version=F("version") + 1)
            _disarm(rule, why="its terms changed", actor_id=actor.user_id, now=now)
        last = QuoteRuleVersion.objects.filter(rule=rule).aggregate(last=Max("number"))["last"] or 0
        version = QuoteRuleVersion.objects.create(
            rule=rule, number=last + 1, terms=terms, why=why, made_by_id=actor.user_id, made_at=now
        )
        _record("rfq.rule.saved", rule, actor.user_id, {"version": version.number, "terms": terms, "why": why})
        rule.refresh_from_db()
        events.rule_publish(rule.pk)
    return rule


def rule_state(actor: Actor, rule: QuoteRule, state: QuoteRule.State, *, why: str = "") -> QuoteRule:
    """Arm (a lead), watch without sending, or switch off (anybody who may pull).

    Raises NotAllowed, DeskError `rule_owner`, `paused`, `four_eyes`.
    """
    require(actor, Permission.RFQ_MANAGE if state == State.ARMED else Permission.RFQ_PULL)
    now = utc_now()
    with transaction.atomic():
        rule = QuoteRule.objects.select_for_update(of=("self",)).select_related("account").get(pk=rule.pk)
        if rule.state == state:
            return rule
        if state == State.ARMED:
            _arm_check(actor, rule, now=now)
        if rule.state == State.ARMED:
            _disarm(rule, why=why.strip() or "by a person", actor_id=actor.user_id, now=now)
        if state != State.OFF:
            QuoteRule.objects.filter(pk=rule.pk).update(
                state=state,
                state_why=why.strip()[:MAX_WHY],
                state_by=actor.user_id,
                state_at=now,
                version=F("version") + 1,
            )
        elif rule.state == State.SHADOW:
            _off(rule, why=why.strip(), actor_id=actor.user_id, now=now)
        _record(f"rfq.rule.{state}", rule, actor.user_id, {"why": why})
        rule.refresh_from_db()
        events.rule_publish(rule.pk)
    return rule


def rule_order(actor: Actor, rule_ids: list[int]) -> list[QuoteRule]:
    """Give rules a new order, first one first: all of the desk's, or all of one account's among themselves.

    What is ordered shares the places that it had; rules of other accounts keep theirs. Raises NotAllowed, DeskError
    `order_changed`.
    """
    require(actor, Permission.RFQ_TRADE)
    with transaction.atomic():
        rows = rules_visible_to(actor).select_for_update().order_by("priority", "pk")
        known = {rule.pk: rule for rule in rows}
        accounts = {known[pk].account_id for pk in rule_ids if pk in known}
        all_of = [pk for pk, rule in known.items() if rule.account_id in accounts]
        if sorted(rule_ids) not in (sorted(known), sorted(all_of)):
            raise DeskError("order_changed", "The rules are no longer those that you ordered. Look again.")
        wanted = iter(rule_ids)
        ordered = [next(wanted) if pk in rule_ids else pk for pk in known]
        for place, pk in enumerate(ordered, start=1):
            if known[pk].priority != place:
                QuoteRule.objects.filter(pk=pk).update(priority=place, version=F("version") + 1)
                events.rule_publish(pk)
        if known:
            first = known[rule_ids[0]]
            _record("rfq.rules.ordered", first, actor.user_id, {"rules": rule_ids})
    return list(rules_visible_to(actor).order_by("priority", "pk"))


def rule_remove(actor: Actor, rule: QuoteRule) -> None:
    """Disarm a rule and take it off the grid; what it did stays on record. Raises NotAllowed."""
    require(actor, Permission.RFQ_TRADE)
    _own_check(actor, rule)
    with transaction.atomic():
        _disarm(rule, why="removed", actor_id=actor.user_id, now=utc_now())
        QuoteRule.objects.filter(pk=rule.pk).update(
            is_deleted=True, state=State.OFF, state_by=actor.user_id, version=F("version") + 1
        )
        _record("rfq.rule.removed", rule, actor.user_id, {})
        events.rule_publish(rule.pk)


def rule_disarm(rule_pk: int, *, why: str, code: str) -> bool:
    """Disarm by itself: a breaker, a pause, an owner who may no longer trade. Its open quotes are pulled.

    Returns False when it was not armed any more.
    """
    with transaction.atomic():
        rule = QuoteRule.objects.select_related("account").get(pk=rule_pk)
        changed = _disarm(rule, why=why, actor_id=None, now=utc_now())
        if changed:
            _record("rfq.rule.tripped", rule, None, {"code": code, "why": why})
            events.rule_publish(rule.pk)
    return changed


def rule_for(actor: Actor, number: int) -> QuoteRule:
    """Raises NotAllowed, NotFound."""
    rule = rules_visible_to(actor).select_related("account").filter(pk=number).first()
    if rule is None:
        raise NotFound("This rule does not exist, or it belongs to another desk.")
    return rule


def _make(actor: Actor, *, name: str, now: datetime) -> QuoteRule:
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    account = account_get(actor, actor.account_id)
    mine = QuoteRule.objects.filter(desk_id=actor.desk_id, is_deleted=False)
    if mine.count() >= MOST:
        raise DeskError("too_many_rules", f"A desk has at most {MOST} rules. Remove one.")
    return QuoteRule.objects.create(
        desk_id=actor.desk_id,
        account=account,
        subaccount=actor.subaccount,
        name=name,
        priority=(mine.aggregate(last=Max("priority"))["last"] or 0) + 1,
        owner_id=actor.user_id,
        state_at=now,
    )


def _own_check(actor: Actor, rule: QuoteRule) -> None:
    if rule.owner_id != actor.user_id and not actor.may(Permission.RFQ_MANAGE):
        raise NotAllowed("Only its owner or a lead changes a rule. You can switch it off.")


def _arm_check(actor: Actor, rule: QuoteRule, *, now: datetime) -> None:
    version = rule.versions.order_by("-number").first()
    if version is None or rule.is_deleted:
        raise NotFound("This rule does not exist any more.")
    terms = terms_from(version.terms)  # what an older desk took may no longer stand
    owner = actor_of(user_id=rule.owner_id, desk_id=rule.desk_id)
    if owner is None or not owner.may(Permission.RFQ_TRADE):
        raise DeskError("rule_owner", "The owner of this rule may no longer trade requests on this desk.")
    pause_check(user_id=rule.owner_id, desk_id=rule.desk_id)
    if actor.user_id == version.made_by_id and rule.account.environment == Environment.PRODUCTION:
        raise DeskError("four_eyes", "On production somebody other than the author of the terms arms a rule.")
    caps = terms.quoting.caps
    why = above(rule.desk_id, Size(contracts=caps.max_contracts, cost=caps.max_at_risk))
    if why and actor.user_id == version.made_by_id:
        raise DeskError("four_eyes", f"{why}: somebody other than the author of the terms arms it.")
    if actor.user_id != version.made_by_id:
        QuoteRuleVersion.objects.filter(pk=version.pk).update(approved_by=actor.user_id, approved_at=now)


def _disarm(rule: QuoteRule, *, why: str, actor_id: int | None, now: datetime) -> bool:
    """ARMED -> OFF, once, and its quotes wanted gone; inside the caller's transaction."""
    changed = QuoteRule.objects.filter(pk=rule.pk, state=State.ARMED).update(
        state=State.OFF, state_why=why[:MAX_WHY], state_by=actor_id, state_at=now, version=F("version") + 1
    )
    if changed:
        live = Quote.objects.select_related("account").filter(
            rule_version__rule=rule, state__in=LIVE, pull_wanted_at=None
        )
        for quote in live:
            pull_want(quote, actor_id=actor_id, why=f"its rule was disarmed: {why}", now=now)
    return bool(changed)


def _off(rule: QuoteRule, *, why: str, actor_id: int, now: datetime) -> None:
    QuoteRule.objects.filter(pk=rule.pk).update(
        state=State.OFF, state_why=why[:MAX_WHY], state_by=actor_id, state_at=now, version=F("version") + 1
    )


def _record(action: str, rule: QuoteRule, actor_id: int | None, data: dict[str, Any]) -> None:
    audit.record(
        action,
        actor_id=actor_id,
        desk_id=rule.desk_id,
        environment=rule.account.environment,
        target=f"rfq_rule:{rule.pk}",
        data={"name": rule.name, **data},
    )
