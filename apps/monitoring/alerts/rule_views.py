"""Rules in plain words: when ... for ... tell ... at most ...; webhooks of the desk; how oneself is reached."""

from collections.abc import Mapping
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_visible
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.money import dollars_text
from apps.core.permissions import Permission, Role
from apps.monitoring.alerts import escalation, rules
from apps.monitoring.alerts.delivery import is_mail_set_up
from apps.monitoring.alerts.escalation import steps_of
from apps.monitoring.alerts.kinds import groups, known
from apps.monitoring.alerts.models import AlertRule
from apps.monitoring.alerts.step_forms import number_of, step_rows, step_words, steps_typed
from apps.monitoring.alerts.views import is_id, trial_context


@requires(Permission.DESK_VIEW)
@require_safe
def alert_rules(request: HttpRequest) -> HttpResponse:
    return _page(request)


@requires(Permission.DESK_VIEW)
@require_POST
def alert_rule_save(request: HttpRequest) -> HttpResponse:
    actor = cast(DeskRequest, request).actor
    raw = request.POST.get("rule", "")
    try:
        rules.rule_save(actor, _wish(request), rule_id=int(raw) if is_id(raw) else None)
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        return _page(request, faults=exc.fields or {"kinds": exc.text}, typed=_typed(request), status=422)
    messages.success(request, "The rule is kept. What happens from now on is told.")
    return redirect("alert_rules")


@requires(Permission.DESK_VIEW)
@require_POST
def alert_rule_switch(request: HttpRequest) -> HttpResponse:
    is_on = request.POST.get("on") == "yes"
    rules.rule_switch(cast(DeskRequest, request).actor, _id(request, "rule"), is_on=is_on)
    messages.success(request, "The rule is on." if is_on else "The rule is off.")
    return redirect("alert_rules")


@requires(Permission.DESK_VIEW)
@require_POST
def alert_rule_remove(request: HttpRequest) -> HttpResponse:
    rules.rule_remove(cast(DeskRequest, request).actor, _id(request, "rule"))
    messages.success(request, "The rule is removed. Its alerts stay in the list.")
    return redirect("alert_rules")


@requires(Permission.DESK_VIEW)
@require_POST
def alert_rules_usual(request: HttpRequest) -> HttpResponse:
    is_desk = request.POST.get("for") == "desk"
    try:
        made = rules.rules_usual(cast(DeskRequest, request).actor, is_desk=is_desk)
        messages.success(
            request, f"{len(made)} rules are kept{' for the desk' if is_desk else ''}. Change them as you like."
        )
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    return redirect("alert_rules")


@requires(Permission.DESK_VIEW)
@require_POST
def alert_reach_save(request: HttpRequest) -> HttpResponse:
    try:
        begins, ends = _clock(request.POST.get("begins", "")), _clock(request.POST.get("ends", ""))
        rules.person_save(
            cast(DeskRequest, request).actor,
            begins=begins,
            ends=ends,
            urgent_passes=request.POST.get("urgent") == "yes",
            mail=request.POST.get("mail", "")[:254],
        )
    except DeskError as exc:
        return _page(request, reach_faults=exc.fields, status=422)
    messages.success(request, "Kept.")
    return redirect("alert_rules")


@sensitive_post_parameters("address")
@requires(Permission.ALERT_MANAGE)
@steps_up("alert_rules")
@require_POST
def alert_webhook_add(request: HttpRequest) -> HttpResponse:
    actor = cast(DeskRequest, request).actor
    try:
        row = rules.webhook_add(actor, name=request.POST.get("name", ""), url=request.POST.get("address", ""))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        # The address is a secret: it is not sent back to be corrected.
        return _page(request, hook_faults=exc.fields, hook_name=request.POST.get("name", "")[:60], status=422)
    messages.success(request, f"“{row.name}” ({row.host}) is kept. Press its test button.")
    return redirect("/alerts/rules/#webhooks")


@requires(Permission.ALERT_MANAGE)
@require_POST
def alert_webhook_remove(request: HttpRequest) -> HttpResponse:
    row = rules.webhook_remove(cast(DeskRequest, request).actor, _id(request, "webhook"))
    messages.success(request, f"“{row.name}” is forgotten.")
    return redirect("/alerts/rules/#webhooks")


# --- the page ---------------------------------------------------------------------------------------


def _page(
    request: HttpRequest, *, status: int = 200, typed: Mapping[str, Any] | None = None, **more: Any
) -> HttpResponse:
    asked = cast(DeskRequest, request)
    actor, user = asked.actor, cast(User, asked.user)
    may_manage = actor.may(Permission.ALERT_MANAGE)
    found = list(rules.rules_of(actor).order_by("-is_on", "pk"))
    raw = request.GET.get("edit", "")
    edited = next((one for one in found if str(one.pk) == raw), None)
    if edited is not None and edited.owner_id is None and not may_manage:
        edited = None
    context: dict[str, Any] = {
        "desk_rules": [_line(one) for one in found if one.owner_id is None],
        "own_rules": [_line(one) for one in found if one.owner_id is not None],
        "may_manage": may_manage,
        "editor": typed or _editor(edited, is_desk=request.GET.get("for") == "desk" and may_manage),
        "is_open": typed is not None or edited is not None or "for" in request.GET,
        "groups": [(name, [(kind, kind.may_know(actor)) for kind in kinds]) for name, kinds in groups()],
        "roles": [(role.value, role.value.replace("-", " ")) for role in Role],
        "every": rules.EVERY.items(),
        "accounts": accounts_visible(actor),
        "webhooks": rules.webhooks_of(actor) if may_manage else [],
        "people": rules.people_of(actor) if may_manage else [],
        "minutes": escalation.MINUTES,
        "reach": rules.person_of(actor.user_id),
        "own_mail": user.email,
        "has_mail": is_mail_set_up(),
        "zone": user.time_zone,
        "faults": {},
        "reach_faults": {},
        "hook_faults": {},
        "hook_name": "",
    }
    editor = context["editor"]
    context["filters"] = rules.filters_of(actor, is_desk=editor["is_desk"])
    wrong = more.get("faults", {})
    context["steps"] = [(number, one, wrong.get(f"step{number}")) for number, one in step_rows(editor["steps"])]
    return render(request, "alerts/rules.html", context | trial_context(actor, user) | more, status=status)


def _line(rule: AlertRule) -> dict[str, Any]:
    """One rule in words."""
    narrowed = [f"account {rule.account.name}"] if rule.account else []
    narrowed += [f"markets {rule.tickers}…"] if rule.tickers else []
    narrowed += [f"at least {dollars_text(rule.least)}"] if rule.least is not None else []
    narrowed += [f"filter “{rule.stream_filter.name}”"] if rule.stream_filter else []
    narrowed += ["only mine"] if rule.is_mine else []
    by = [word for word, is_on in (("browser", rule.by_browser), ("e-mail", rule.by_mail)) if is_on]
    by += [f"webhook {rule.webhook.name}"] if rule.webhook else []
    return {
        "rule": rule,
        "when": [known(name) for name in rule.kinds],
        "for": ", ".join(narrowed) or "everything",
        "tell": "me" if rule.owner_id is not None else rules.role_words(rule.roles),
        "by": ", ".join(["the list", *by]),
        "most": rules.EVERY.get(rule.every, f"every {rule.every} s"),
        "steps": step_words(rule),
    }


def _editor(rule: AlertRule | None, *, is_desk: bool) -> dict[str, Any]:
    if rule is None:
        return {"is_desk": is_desk, "kinds": [], "by_browser": True, "every": 60, "roles": [], "rule": "", "steps": []}
    return {
        "rule": rule.pk,
        "is_desk": rule.owner_id is None,
        "kinds": rule.kinds,
        "account": rule.account_id,
        "tickers": rule.tickers,
        "least": "" if rule.least is None else dollars_text(rule.least).removeprefix("$").replace(",", ""),
        "is_mine": rule.is_mine,
        "roles": rule.roles,
        "by_browser": rule.by_browser,
        "by_mail": rule.by_mail,
        "webhook": rule.webhook_id,
        "every": rule.every,
        "filter": rule.stream_filter_id,
        "steps": steps_of(rule),
    }


def _typed(request: HttpRequest) -> dict[str, Any]:
    """What was typed, to be shown again."""
    sent = request.POST
    account, webhook, every = sent.get("account", ""), sent.get("webhook", ""), sent.get("every", "")
    return {
        "rule": sent.get("rule", "") if is_id(sent.get("rule", "")) else "",
        "is_desk": sent.get("for") == "desk",
        "kinds": sent.getlist("kinds"),
        "account": int(account) if is_id(account) else None,
        "tickers": sent.get("tickers", "")[:400],
        "least": sent.get("least", "")[:40],
        "is_mine": sent.get("mine") == "yes",
        "roles": sent.getlist("roles"),
        "by_browser": sent.get("browser") == "yes",
        "by_mail": sent.get("mail") == "yes",
        "webhook": int(webhook) if is_id(webhook) else None,
        "every": int(every) if is_id(every) else 60,
        "filter": number_of(sent.get("filter", "")),
        "steps": steps_typed(sent),
    }


def _wish(request: HttpRequest) -> rules.Wish:
    typed = _typed(request)
    return rules.Wish(
        kinds=tuple(typed["kinds"]),
        is_desk=typed["is_desk"],
        account_id=typed["account"],
        tickers=typed["tickers"],
        least=_dollars(typed["least"]),
        is_mine=typed["is_mine"],
        roles=tuple(typed["roles"]),
        by_browser=typed["by_browser"],
        by_mail=typed["by_mail"],
        webhook_id=typed["webhook"],
        every=typed["every"],
        filter_id=typed["filter"],
        steps=tuple(typed["steps"]),
    )


def _dollars(raw: str) -> Decimal | None:
    text = raw.strip().removeprefix("$").replace(",", "")
    if not text:
        return None
    try:
        value = Decimal(text)
        if value.is_finite() and value == value.quantize(Decimal("0.000001")):
            return value
    except InvalidOperation:
        pass
    raise DeskError("bad_input", "Dollars, like 250 or 0.50.", fields={"least": "Dollars, like 250 or 0.50."})


def _clock(raw: str) -> time | None:
    if not raw.strip():
        return None
    try:
        return time.fromisoformat(raw.strip()[:5])
    except ValueError:
        raise DeskError("bad_input", "A time.", fields={"quiet": "A time, like 22:00."}) from None


def _id(request: HttpRequest, name: str) -> int:
    raw = request.POST.get(name, "")
    return int(raw) if is_id(raw) else 0
