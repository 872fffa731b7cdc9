"""FIX > Sessions: every session of the desk, one of them in detail, and what an operator does with it."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_visible
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core import ports
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import from_unix_ms, unix_ms_now, utc_now
from apps.fix import console, services
from apps.fix.console_latency import latencies
from apps.fix.console_log import LogChoice, log_page
from apps.fix.engine.reconnect import next_maintenance
from apps.fix.models import FixSession
from apps.fix.selectors import PURPOSES, rules_for
from apps.vault.models import ApiKey

DETAIL_MESSAGES: Final = 25
Act = Callable[..., FixSession]


@requires(Permission.DESK_VIEW)
@require_safe
def fix_sessions(request: DeskRequest) -> HttpResponse:
    """Every session of every account of the desk."""
    accounts = list(accounts_visible(request.actor))
    rows = list(console.session_rows([one.pk for one in accounts]).values())
    for row in rows:
        _for_people(row)
    context = {
        "rows": rows,
        "accounts": accounts,
        "differences": _differences(accounts),
        "kinds": FixSession.Kind.choices,
        "may_define": request.actor.may(Permission.FIX_OPERATE),
        "maintenance": next_maintenance(utc_now()),
        "page_data": {"accounts": [one.pk for one in accounts]},
    }
    return render(request, "fix/sessions.html", context)


@requires(Permission.DESK_VIEW)
@require_safe
def fix_session(request: DeskRequest, fix_session_id: int) -> HttpResponse:
    """One session: how it is, its flags, its newest messages, how long things took, and the acts."""
    session = _session(request.actor, fix_session_id)
    row = _for_people(console.session_rows([session.account_id])[session.pk])
    context = {
        "session": session,
        "row": row,
        "flags": console.flag_rows(session),
        "flags_problem": console.flags_problem(session),
        "key": _key_words(request.actor, session),
        "acts": acts_for(request.actor, session),
        "may_define": request.actor.may(Permission.FIX_OPERATE),
        "log": log_page(request.actor, LogChoice(session_id=session.pk), count=DETAIL_MESSAGES).rows,
        "latencies": latencies(session),
        "page_data": {"accounts": [session.account_id], "session": session.pk},
    }
    return render(request, "fix/session.html", context)


def acts_for(actor: Actor, session: FixSession) -> list[dict[str, Any]]:
    """Return the acts that the person may do on this session, each with what it does, in words."""
    stop = "Logs the session out and leaves it so. Reports of the time until it is started again come by recovery."
    if session.cancel_on_disconnect:
        stop += " It asked for CancelOrdersOnDisconnect (8013): the exchange cancels all its resting orders."
    every = [
        (
            Permission.FIX_START,
            "start",
            "Start",
            "The gateway connects it and keeps it connected.",
            not session.is_wanted,
        ),
        (Permission.FIX_LOGON, "logon", "Log on", "Tries to connect now instead of waiting.", session.is_wanted),
        (Permission.FIX_TEST, "test", "Test request", "Asks the exchange for an answer and measures the way.", True),
        (
            Permission.FIX_RESEND,
            "resend",
            "Ask again",
            "Sends a ResendRequest for the messages that are missing.",
            rules_for(session.kind).is_retained,
        ),
        (
            Permission.FIX_LOGOUT,
            "logout",
            "Log out",
            f"Says goodbye and logs on anew. {_disconnect(session)}".strip(),
            True,
        ),
        (Permission.FIX_RESET, "reset", "Reset numbers", console.reset_words(session), True),
        (Permission.FIX_STOP, "stop", "Stop", stop, session.is_wanted),
    ]
    return [
        {"name": name, "label": label, "words": words, "url": f"fix_session_{name}", "is_offered": offered}
        for permission, name, label, words, offered in every
        if actor.may(permission)
    ]


def _disconnect(session: FixSession) -> str:
    return "The exchange cancels its resting orders (8013)." if session.cancel_on_disconnect else ""


def _acted(request: DeskRequest, session_id: int, act: Act, done: str) -> HttpResponse:
    """Do one act with the reason that was typed, and say what came of it."""
    try:
        act(request.actor, session_id, why=request.POST.get("why", ""))
    except NotFound as exc:
        raise Http404(exc.text) from None
    except DeskError as exc:
        messages.error(request, f"Nothing was done: {exc.text}")
    else:
        messages.success(request, done)
    return redirect("fix_session", fix_session_id=session_id)


def act_view(permission: Permission, act: Act, done: str, *, asks_who: bool = False) -> Callable[..., HttpResponse]:
    """Return the view of one act, under a permission of its own. asks_who: the person proves who they are first."""

    def acts(request: DeskRequest, fix_session_id: int) -> HttpResponse:
        return _acted(request, fix_session_id, act, done)

    view: Callable[..., HttpResponse] = require_POST(acts)
    if asks_who:
        view = steps_up("fix_sessions")(view)
    return requires(permission)(view)


ACTS: Final = {
    "start": act_view(Permission.FIX_START, services.session_start, "The gateway connects the session now."),
    "stop": act_view(Permission.FIX_STOP, services.session_stop, "The session logs out and stays so."),
    "logon": act_view(Permission.FIX_LOGON, services.session_log_on, "The session is tried now."),
    "logout": act_view(Permission.FIX_LOGOUT, services.session_log_out, "The session logs out, and on again."),
    "reset": act_view(
        Permission.FIX_RESET,
        services.session_reset,
        "Both sides' numbers begin at 1 with the next logon.",
        asks_who=True,
    ),
    "test": act_view(Permission.FIX_TEST, services.session_test, "A test request leaves now; see the round trip."),
    "resend": act_view(Permission.FIX_RESEND, services.session_resend, "The missing messages are asked for again."),
}


@requires(Permission.FIX_OPERATE)
@steps_up("fix_sessions")
@require_POST
def fix_define(request: DeskRequest) -> HttpResponse:
    """Make or change the session of a kind of an account."""
    given = request.POST
    account, kind, heartbeat = given.get("account", ""), given.get("kind", ""), given.get("heartbeat", "30")
    try:
        if not (account.isdecimal() and heartbeat.isdecimal() and len(account) < 19 and len(heartbeat) < 5):
            raise DeskError("bad_input", "Choose an account and a heartbeat in whole seconds.")
        row = services.session_define(
            request.actor,
            int(account),
            kind,
            is_listener="is_listener" in given,
            heartbeat=int(heartbeat),
            use_dollars="use_dollars" in given,
            cancel_on_disconnect="cancel_on_disconnect" in given,
            receive_settlements="receive_settlements" in given,
            symbols=given.get("symbols", "").replace(",", " ").split(),
        )
    except DeskError as exc:
        messages.error(request, f"Nothing was changed: {exc.text}")
        return redirect("fix_sessions")
    messages.success(request, "The session is defined. Start it when its key is in the vault.")
    return redirect("fix_session", fix_session_id=row.pk)


def _session(actor: Actor, session_id: int) -> FixSession:
    found = next((row for row in services.sessions_visible_to(actor) if row.pk == session_id), None)
    if found is None:
        raise Http404("This FIX session does not exist, or it belongs to another desk.")
    return found


def _key_words(actor: Actor, session: FixSession) -> dict[str, Any]:
    """Return which key the session takes: its name and last characters for those who may see the vault's names."""
    keys = ApiKey.objects.filter(account=session.account, purpose=PURPOSES[session.kind])
    key = keys.exclude(status__in=[ApiKey.Status.REVOKED, ApiKey.Status.INVALID]).exclude(key_id="").first()
    sees = actor.may(Permission.VAULT_VIEW) or actor.may(Permission.FIX_OPERATE)
    return {
        "purpose": PURPOSES[session.kind].label,
        "is_there": key is not None,
        "label": key.label if key and sees else "",
        "end": key.key_id[-4:] if key and actor.may(Permission.VAULT_VIEW) else "",
        "scopes": ", ".join(key.scopes) if key else "",
    }


def _differences(accounts: list[ExchangeAccount]) -> int:
    """How many differences between the sources are open on these accounts."""
    return sum(count(one.pk) for one in accounts for count in ports.open_differences)


def _for_people(row: console.Row) -> console.Row:
    """Times for the page without scripts."""
    for name in ("since", "last_in", "last_out"):
        row[f"{name}_at"] = from_unix_ms(row[f"{name}_ms"]) if row[f"{name}_ms"] else None
    row["seen_ms"] = unix_ms_now()
    return row
