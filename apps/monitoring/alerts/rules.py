"""Rules, webhooks and how a person is reached: who may change them, and what is written down about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q, QuerySet
from django.views.decorators.debug import sensitive_variables

from apps.accounts.access import account_get
from apps.accounts.models import Membership
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor, Permission, Role
from apps.core.timestamps import utc_now
from apps.monitoring.alerts.addresses import target_of
from apps.monitoring.alerts.escalation import MINUTES, STEPS_AT_MOST, Step
from apps.monitoring.alerts.kinds import CHOSEN, KINDS
from apps.monitoring.alerts.looking import cursors_begin
from apps.monitoring.alerts.matching import tickers_of
from apps.monitoring.alerts.models import AlertDelivery, AlertPerson, AlertRule, AlertWebhook
from apps.monitoring.alerts.requests import KIND as REQUESTS
from apps.monitoring.alerts.telling import OPEN_STATES
from apps.monitoring.alerts.webhook import url_seal
from apps.orders.access import require
from apps.rfq.models import StreamFilter

RULES_AT_MOST: Final = 40  # of one person, and of one desk
WEBHOOKS_AT_MOST: Final = 10
EVERY: Final = {
    0: "each time",
    60: "once a minute",
    300: "every 5 minutes",
    900: "every 15 minutes",
    3600: "once an hour",
}
REQUESTS_EVERY: Final = 60  # seconds; at the least, where a rule tells of requests of others
_CHOSEN = frozenset(kind.name for kind in CHOSEN)


@dataclass(frozen=True, slots=True)
class Wish:
    """A rule as a person wants it. is_desk: for others too. account_id None: every account. least: dollars.

    filter_id: of the incoming stream, for requests of others. steps: while nobody acknowledges.
    """

    kinds: tuple[str, ...]
    is_desk: bool = False
    account_id: int | None = None
    tickers: str = ""
    least: Decimal | None = None
    is_mine: bool = False
    roles: tuple[str, ...] = ()
    by_browser: bool = True
    by_mail: bool = False
    webhook_id: int | None = None
    every: int = 60
    filter_id: int | None = None
    steps: tuple[Step, ...] = ()


def rules_of(actor: Actor) -> QuerySet[AlertRule]:
    """The desk's rules and the person's own."""
    require(actor, Permission.DESK_VIEW)
    rows = AlertRule.objects.filter(desk_id=actor.desk_id, removed_at=None)
    return rows.filter(Q(owner=None) | Q(owner_id=actor.user_id)).select_related(
        "account", "webhook", "made_by", "stream_filter"
    )


def rule_for(actor: Actor, rule_id: int, *, to_change: bool = False) -> AlertRule:
    """Raises NotAllowed, NotFound: another person's rule looks like none."""
    rule = rules_of(actor).filter(pk=rule_id).first()
    if rule is None:
        raise NotFound("This rule does not exist, or it is somebody else's.")
    if to_change and rule.owner_id is None:
        require(actor, Permission.ALERT_MANAGE)
    return rule


def rule_save(actor: Actor, wish: Wish, *, rule_id: int | None = None) -> AlertRule:
    """Make a rule, or change one; for others only with that right. Raises NotAllowed, NotFound, DeskError."""
    require(actor, Permission.DESK_VIEW)
    if wish.is_desk:
        require(actor, Permission.ALERT_MANAGE)
    values = _checked(actor, wish)
    now = utc_now()
    with transaction.atomic():
        if not AlertRule.objects.filter(desk_id=actor.desk_id, is_on=True, removed_at=None).exists():
            cursors_begin(actor.desk_id)
        if rule_id is None:
            owner_id = None if wish.is_desk else actor.user_id
            own = AlertRule.objects.filter(desk_id=actor.desk_id, owner_id=owner_id, removed_at=None)
            if own.count() >= RULES_AT_MOST:
                raise DeskError(
                    "too_many", f"At most {RULES_AT_MOST} rules. Remove one.", fields={"kinds": "Too many."}
                )
            rule = AlertRule.objects.create(
                desk_id=actor.desk_id, owner_id=owner_id, made_by_id=actor.user_id, made_at=now, on_since=now, **values
            )
        else:
            rule = rule_for(actor, rule_id, to_change=True)
            if (rule.owner_id is None) != wish.is_desk:
                raise DeskError("bad_input", "Whose rule it is cannot be changed. Make another one.")
            for name, value in values.items():
                setattr(rule, name, value)
            rule.on_since = now
            rule.save(update_fields=[*values, "on_since"])
        _record(actor, "monitoring.alert_rule.saved", rule)
    return rule


def rule_switch(actor: Actor, rule_id: int, *, is_on: bool) -> AlertRule:
    with transaction.atomic():
        rule = rule_for(actor, rule_id, to_change=True)
        if rule.is_on != is_on:
            if is_on and not AlertRule.objects.filter(desk_id=actor.desk_id, is_on=True, removed_at=None).exists():
                cursors_begin(actor.desk_id)
            rule.is_on, rule.on_since = is_on, utc_now()
            rule.save(update_fields=["is_on", "on_since"])
            _record(actor, f"monitoring.alert_rule.{'switched_on' if is_on else 'switched_off'}", rule)
    return rule


def rule_remove(actor: Actor, rule_id: int) -> AlertRule:
    with transaction.atomic():
        rule = rule_for(actor, rule_id, to_change=True)
        rule.removed_at, rule.is_on, rule.stream_filter = utc_now(), False, None
        rule.save(update_fields=["removed_at", "is_on", "stream_filter"])
        _record(actor, "monitoring.alert_rule.removed", rule)
    return rule


USUAL: Final = (
    Wish(kinds=("confirm.open", "confirm.missed", "order.unknown", "gate.closed", "kill.pulled"), every=0),
    Wish(kinds=("order.refused", "accept.lapsed", "rule.tripped", "limit.near", "limit.full", "pause.set"), every=60),
    Wish(kinds=("fill", "settled"), every=300),
    Wish(kinds=("feed", "exchange", "fix", "health", "key.refused", "break"), every=300),
    Wish(kinds=("mention", "approval.asked"), every=0),
)


def rules_usual(actor: Actor, *, is_desk: bool) -> list[AlertRule]:
    """Begin with the rules that most want. Raises NotAllowed, DeskError where there are some already."""
    owner_id = None if is_desk else actor.user_id
    if AlertRule.objects.filter(desk_id=actor.desk_id, owner_id=owner_id, removed_at=None).exists():
        raise DeskError("has_rules", "There are rules already. Change those.")
    with transaction.atomic():
        return [
            rule_save(actor, Wish(kinds=one.kinds, every=one.every, is_desk=is_desk, is_mine=False)) for one in USUAL
        ]


def _checked(actor: Actor, wish: Wish) -> dict[str, Any]:
    """Return the columns of a wish. Raises DeskError with a text per field."""
    faults: dict[str, str] = {}
    if not wish.kinds or not set(wish.kinds) <= _CHOSEN:
        faults["kinds"] = "Choose at least one thing to be told of."
    elif not wish.is_desk and not any(KINDS[name].may_know(actor) for name in wish.kinds):
        faults["kinds"] = "Your roles may not know of this."
    if wish.every not in EVERY:
        faults["every"] = "Choose one of the list."
    if wish.least is not None and not 0 < wish.least < 1_000_000_000:
        faults["least"] = "Dollars, more than 0."
    tickers = ", ".join(tickers_of(wish.tickers))
    if len(tickers) > 200:
        faults["tickers"] = "At most 200 characters."
    if not set(wish.roles) <= {role.value for role in Role}:
        faults["roles"] = "Choose from the list."
    if wish.webhook_id is not None and (not wish.is_desk or not webhooks_of(actor).filter(pk=wish.webhook_id).exists()):
        faults["webhook"] = "Choose one of the desk's webhooks, for a rule of the desk."
    faults |= _faults_of_requests(actor, wish) | _faults_of_steps(actor, wish)
    if faults:
        raise DeskError("bad_input", "This rule cannot be kept yet.", fields=faults)
    if wish.account_id is not None:
        account_get(actor, wish.account_id)
    return {
        "kinds": [kind.name for kind in CHOSEN if kind.name in wish.kinds],
        "account_id": wish.account_id,
        "tickers": tickers,
        "least": wish.least,
        "is_mine": wish.is_mine and not wish.is_desk,
        "roles": sorted(set(wish.roles)) if wish.is_desk else [],
        "by_browser": wish.by_browser,
        "by_mail": wish.by_mail,
        "webhook_id": wish.webhook_id,
        "every": wish.every,
        "stream_filter_id": wish.filter_id if REQUESTS in wish.kinds else None,
        "steps": [step.as_json() for step in wish.steps],
    }


def filters_of(actor: Actor, *, is_desk: bool) -> QuerySet[StreamFilter]:
    """Filters of the incoming stream that a rule may name: the desk's, and for an own rule one's own."""
    rows = StreamFilter.objects.filter(desk_id=actor.desk_id).order_by("environment", "name", "pk")
    return rows.filter(owner=None) if is_desk else rows.filter(Q(owner=None) | Q(owner_id=actor.user_id))


def people_of(actor: Actor) -> QuerySet[Membership]:
    """Whom a step of the desk's rules may tell. Raises NotAllowed."""
    require(actor, Permission.ALERT_MANAGE)
    rows = Membership.objects.filter(desk_id=actor.desk_id, is_active=True, user__is_active=True)
    return rows.select_related("user").order_by("user__username")


def _faults_of_requests(actor: Actor, wish: Wish) -> dict[str, str]:
    if REQUESTS not in wish.kinds:
        return {} if wish.filter_id is None else {"filter": "A filter is for requests of others: choose that, too."}
    if wish.filter_id is not None:
        saved = filters_of(actor, is_desk=wish.is_desk).filter(pk=wish.filter_id).first()
        if saved is None:
            return {"filter": "Choose one of the list. A rule of the desk takes filters that the desk shares."}
        account = None if wish.account_id is None else account_get(actor, wish.account_id)
        if account is not None and account.environment != saved.environment:
            return {"filter": f"This filter is of {saved.environment}, the account of {account.environment}."}
    if wish.every < REQUESTS_EVERY:
        return {"every": "Requests of others come by the hundred: once a minute at most."}
    return {}


def _faults_of_steps(actor: Actor, wish: Wish) -> dict[str, str]:
    """Words by the step's number."""
    faults: dict[str, str] = {}
    if len(wish.steps) > STEPS_AT_MOST:
        faults["steps"] = f"At most {STEPS_AT_MOST} steps."
    for number, step in enumerate(wish.steps, 1):
        name = f"step{number}"
        if step.after not in MINUTES:
            faults[name] = "Choose the minutes from the list."
        elif not wish.is_desk and (step.user_id is not None or step.roles or step.webhook_id is not None):
            faults[name] = "An own rule tells only you. A rule of the desk can tell others."
        elif not (step.by_browser or step.by_mail or step.webhook_id is not None):
            faults[name] = "Choose how it is told: browser, e-mail or a webhook."
        elif not set(step.roles) <= {role.value for role in Role}:
            faults[name] = "Choose from the list."
        elif step.user_id is not None and not people_of(actor).filter(user_id=step.user_id).exists():
            faults[name] = "This person is not on the desk."
        elif step.webhook_id is not None and not webhooks_of(actor).filter(pk=step.webhook_id).exists():
            faults[name] = "Choose one of the desk's webhooks."
    return faults


def _record(actor: Actor, action: str, rule: AlertRule) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=rule.desk_id,
        environment=rule.account.environment if rule.account else "",
        target=f"alert_rule:{rule.pk}",
        data={
            "kinds": rule.kinds,
            "is_desk": rule.owner_id is None,
            "tickers": rule.tickers,
            "least": rule.least,
            "roles": rule.roles,
            "mail": rule.by_mail,
            "webhook": rule.webhook_id,
            "every": rule.every,
            "filter": rule.stream_filter_id,
            "steps": rule.steps,
        },
    )


# --- webhooks ---------------------------------------------------------------------------------------


def webhooks_of(actor: Actor) -> QuerySet[AlertWebhook]:
    """The desk's webhooks: names and hosts. Raises NotAllowed."""
    require(actor, Permission.ALERT_MANAGE)
    return AlertWebhook.objects.filter(desk_id=actor.desk_id, removed_at=None).order_by("pk")


@sensitive_variables("url")
def webhook_add(actor: Actor, *, name: str, url: str) -> AlertWebhook:
    """Keep an address, sealed. Raises NotAllowed, DeskError; BadAddress for one that may not be used."""
    require(actor, Permission.ALERT_MANAGE)
    label = " ".join(name.split())[:60]
    if not label:
        raise DeskError("bad_input", "Give it a name.", fields={"name": "Give it a name."})
    target = target_of(url.strip())
    with transaction.atomic():
        if webhooks_of(actor).count() >= WEBHOOKS_AT_MOST:
            raise DeskError(
                "too_many", f"A desk has at most {WEBHOOKS_AT_MOST} webhooks.", fields={"name": "Too many."}
            )
        row = AlertWebhook.objects.create(
            desk_id=actor.desk_id,
            name=label,
            host=target.host[:255],
            sealed=url_seal(url.strip()),
            made_by_id=actor.user_id,
            made_at=utc_now(),
        )
        _record_hook(actor, "monitoring.alert_webhook.added", row)
    return row


def webhook_remove(actor: Actor, webhook_id: int) -> AlertWebhook:
    """Forget an address; rules stay, and tell by what else they name. Raises NotAllowed, NotFound."""
    with transaction.atomic():
        row = webhooks_of(actor).filter(pk=webhook_id).first()
        if row is None:
            raise NotFound("This webhook does not exist, or it belongs to another desk.")
        row.removed_at, row.sealed = utc_now(), ""
        row.save(update_fields=["removed_at", "sealed"])
        AlertDelivery.objects.filter(webhook=row, state__in=OPEN_STATES).update(
            state=AlertDelivery.State.DROPPED, reason="the webhook was removed", ended_at=utc_now()
        )
        AlertRule.objects.filter(webhook=row).update(webhook=None)
        _record_hook(actor, "monitoring.alert_webhook.removed", row)
    return row


def _record_hook(actor: Actor, action: str, row: AlertWebhook) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=row.desk_id,
        target=f"alert_webhook:{row.pk}",
        data={"name": row.name, "host": row.host},
    )


# --- the person --------------------------------------------------------------------------------------


def person_of(user_id: int) -> AlertPerson:
    return AlertPerson.objects.filter(user_id=user_id).first() or AlertPerson(user_id=user_id)


def person_save(actor: Actor, *, begins: time | None, ends: time | None, urgent_passes: bool, mail: str) -> AlertPerson:
    """Keep how oneself is reached. mail "": the address of the account. Raises DeskError."""
    address, faults = mail.strip(), dict[str, str]()
    if (begins is None) != (ends is None):
        faults["quiet"] = "Give both ends, or none."
    if address:
        try:
            validate_email(address)
        except ValidationError:
            faults["mail"] = "This is not an e-mail address."
    if faults:
        raise DeskError("bad_input", "This cannot be kept yet.", fields=faults)
    values: Mapping[str, Any] = {
        "quiet_begins": begins,
        "quiet_ends": ends,
        "urgent_passes": urgent_passes,
        "mail": address,
    }
    with transaction.atomic():
        before = person_of(actor.user_id)
        row, _ = AlertPerson.objects.update_or_create(user_id=actor.user_id, defaults=values)
        audit.record(
            "monitoring.alert_person.changed",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            target=f"user:{actor.user_id}",
            data={"quiet": [_clock(begins), _clock(ends)], "mail_changed": before.mail != address},
        )
    return row


def _clock(value: time | None) -> str:
    return "" if value is None else f"{value:%H:%M}"


def role_words(roles: Iterable[str]) -> str:
    return ", ".join(role.replace("-", " ") for role in roles) or "everybody"
