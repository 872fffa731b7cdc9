"""FIX > Messages, Drop copy, Live: what passed, what is asked for again, and the wall that only shows."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_visible
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission
from apps.core.pnl_days import trading_day
from apps.core.timestamps import utc_now
from apps.fix import console, console_log, console_wall, services
from apps.fix.console_veil import Veil, decoded
from apps.fix.ingest import last_seen
from apps.fix.messages.drop_copy import REASON_TEXT, WINDOW_MS
from apps.fix.models import FixExecution, FixSession
from apps.orders.pages.export import export_chunks, safe_cell

FORMATS: Final = {"csv": "text/csv; charset=utf-8", "raw": "text/plain; charset=utf-8"}
# ExecType (150) as boxes of the wall.
REPORT_TYPES: Final = (
    ("F", "Trades"),
    ("0", "New"),
    ("5", "Replaced"),
    ("4", "Cancelled"),
    ("8", "Rejected"),
    ("other", "Other"),
)
FILTERS: Final = ("account", "session", "type", "way", "from", "to", "id", "tag")


# --- messages --------------------------------------------------------------------------------------


@requires(Permission.DESK_VIEW)
@require_safe
def fix_messages(request: DeskRequest) -> HttpResponse:
    """Messages of all sessions, newest first (?account=&session=&type=&way=&from=&to=&id=&tag=&before=)."""
    typed = {name: request.GET.get(name, "")[:120] for name in FILTERS}
    errors: dict[str, str] = {}
    choice, page = console_log.LogChoice(), console_log.LogPage([], None)
    before = request.GET.get("before", "")
    try:
        choice = console_log.choice_from(request.actor, typed)
        page = console_log.log_page(request.actor, choice, before=int(before) if _is_id(before) else None)
    except NotFound as exc:
        raise Http404(exc.text) from None
    except NotAllowed:
        raise
    except DeskError as exc:
        errors = exc.fields or {"id": exc.text}
    context = {
        "rows": page.rows,
        "next": page.next,
        "is_first": not _is_id(before),
        "choice": choice,
        "typed": typed,
        "errors": errors,
        "query": choice.query(),
        "types": console_log.types_seen(request.actor),
        "sessions": [(row.pk, console_log.session_name(row)) for row in services.sessions_visible_to(request.actor)],
        "may_export": request.actor.may(Permission.DESK_EXPORT),
    }
    return render(request, "fix/messages.html", context, status=422 if errors else 200)


@requires(Permission.DESK_VIEW)
@require_safe
def fix_message(request: DeskRequest, fix_message_id: int) -> HttpResponse:
    """One message tag by tag and raw; ?with=<id> lays another one beside it."""
    veil = Veil.of(request.actor)
    beside = request.GET.get("with", "")
    try:
        message = console_log.message_get(request.actor, fix_message_id)
        other = console_log.message_get(request.actor, int(beside)) if _is_id(beside) else None
    except NotFound as exc:
        raise Http404(exc.text) from None
    before, after = console_log.neighbours(request.actor, message)
    context = {
        "message": message,
        "row": console_log.log_row(message, veil),
        "fields": decoded(message, veil),
        "raw": veil.raw(message, separator="\u2401"),
        "piped": veil.raw(message, separator="|"),
        "other": console_log.log_row(other, veil) if other else None,
        "compared": console_log.compare(message, other, veil) if other else [],
        "before": before,
        "after": after,
        "trace_id": message.order_id or message.client_order_id or _quote_of(message.fields),
    }
    return render(request, "fix/message.html", context)


@requires(Permission.DESK_VIEW)
@require_safe
def fix_trace(request: DeskRequest) -> HttpResponse:
    """Everything about one order, quote or request, over all sessions (?id=)."""
    ident = request.GET.get("id", "").strip()[:80]
    rows = console_log.trace(request.actor, ident) if ident else []
    context = {
        "ident": ident,
        "rows": rows,
        "sessions": len({row.session_id for row in rows}),
        "is_cut": len(rows) >= console_log.TRACE_MOST,
        "most": console_log.TRACE_MOST,
    }
    return render(request, "fix/trace.html", context)


@requires(Permission.DESK_EXPORT)
@require_POST
def fix_messages_export(request: DeskRequest) -> HttpResponseBase:
    """Everything that the filters match, as CSV or raw, oldest first; who took it goes on the trail."""
    form = request.POST.get("format", "")
    try:
        if form not in FORMATS:
            raise DeskError("bad_input", "Choose CSV or raw.")
        choice = console_log.choice_from(request.actor, {name: request.POST.get(name, "") for name in FILTERS})
    except NotFound as exc:
        raise Http404(exc.text) from None
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("fix_messages")
    rows = console_log.log_messages(request.actor, choice).order_by("pk")
    audit.record(
        "fix.messages.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=request.account.environment if request.account else "",
        target="fix_messages",
        data={"format": form, "rows": rows.count(), **choice.values()},
    )
    veil = Veil.of(request.actor)
    lines = _csv_lines(rows, veil) if form == "csv" else console_log.raw_lines(rows, veil)
    return _file(lines, f"fix-messages-{utc_now():%Y%m%d-%H%M%S}", form)


def _csv_lines(rows: Any, veil: Veil) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(console_log.CSV_COLUMNS)
    for message in rows.select_related("session__account").iterator(chunk_size=500):
        yield writer.writerow([safe_cell(value) for value in console_log.csv_values(message, veil)])


# --- drop copy -------------------------------------------------------------------------------------


@requires(Permission.DESK_VIEW)
@require_safe
def fix_drop_copy(request: DeskRequest) -> HttpResponse:
    """What can be asked for again, and what became of each request."""
    accounts = list(accounts_visible(request.actor))
    ids = [one.pk for one in accounts]
    wanted = set(
        FixSession.objects.filter(account__in=ids, kind="dc", is_wanted=True).values_list("account", flat=True)
    )
    places = [
        {"account": one, "last_seen": last_seen(one.pk), "oldest": _oldest(one.pk), "is_ready": one.pk in wanted}
        for one in accounts
        if FixSession.objects.filter(account=one).exists()
    ]
    context = {
        "places": places,
        "rows": list(console.recovery_rows(ids).values()),
        "may_recover": request.actor.may(Permission.FIX_RECOVER),
        "reasons": [(reason.value, words) for reason, words in REASON_TEXT.items()],
        "typed": {name: request.GET.get(name, "")[:40] for name in ("account", "begin", "end")},
        "page_data": {"accounts": ids, "window_ms": WINDOW_MS},
    }
    return render(request, "fix/drop_copy.html", context)


@requires(Permission.FIX_RECOVER)
@require_POST
def fix_recover(request: DeskRequest) -> HttpResponse:
    """Ask for a range: `since` last (from the last report seen), window (three hours) or range (`begin`, `end`)."""
    account, since = request.POST.get("account", ""), request.POST.get("since", "range")
    begin, end = request.POST.get("begin", "").strip()[:40], request.POST.get("end", "").strip()[:40]
    try:
        if not _is_id(account):
            raise DeskError("bad_input", "Choose an account.")
        if since == "range" and not begin:
            raise DeskError("bad_input", "Name the ExecID to begin with, or choose since the last one seen.")
        if since != "range":
            begin, end = (_oldest(int(account)) if since == "window" else ""), ""
        if since == "window" and not begin:
            raise DeskError("fix_nothing_seen", "No report was seen in the last three hours: name the first ExecID.")
        row = services.recovery_request(
            request.actor, int(account), begin=begin, end=end, why=request.POST.get("why", "")
        )
    except DeskError as exc:
        messages.error(request, f"Nothing was asked for: {exc.text}")
    else:
        messages.success(request, f"Reports from {row.begin} to {row.end or 'the newest'} are asked for.")
    return redirect("fix_drop_copy")


def _oldest(account_id: int) -> str:
    """The lowest ExecID that this desk saw within the window that drop copy keeps, "" for none."""
    since = utc_now() - timedelta(milliseconds=WINDOW_MS)
    rows = FixExecution.objects.filter(account_id=account_id, seen_at__gte=since).order_by("first", "second")
    row = rows.first()
    return f"{row.first};{row.second}" if row else ""


# --- live ------------------------------------------------------------------------------------------


@requires(Permission.DESK_VIEW)
@require_safe
def fix_live(request: DeskRequest) -> HttpResponse:
    """Execution reports as the listener brings them; nothing here acts on anything but the page."""
    listeners = console_wall.listeners_of(request.actor)
    accounts = list({row.account_id: row.account for row in listeners}.values())
    chosen = _chosen(accounts, request.GET.get("account", ""), request)
    day = _day(request.GET.get("day", ""))
    context: dict[str, Any] = {"accounts": accounts, "account": chosen, "day": day, "today": trading_day(utc_now())}
    if chosen is not None:
        rows = console_wall.wall_rows(chosen.pk)
        context |= {
            "record": console_wall.day_record(request.actor, chosen.pk, day),
            "may_export": request.actor.may(Permission.DESK_EXPORT),
            "listeners": [console.session_row(row, None, None) for row in listeners if row.account_id == chosen.pk],
            "rows": rows[:50],
            "types": REPORT_TYPES,
            "page_data": {"account": chosen.pk, "rows": rows, "shown": console_wall.SHOWN},
        }
    return render(request, "fix/live.html", context)


@requires(Permission.DESK_EXPORT)
@require_POST
def fix_record(request: DeskRequest) -> HttpResponseBase:
    """The record of a day as CSV, with its SHA-256 on the trail."""
    account = request.POST.get("account", "")
    day = _day(request.POST.get("day", ""))
    try:
        lines = console_wall.record_export(request.actor, int(account) if _is_id(account) else 0, day)
    except NotFound as exc:
        messages.error(request, exc.text)
        return redirect("fix_live")
    return _file(lines, f"fix-record-{day:%Y%m%d}", "csv")


def _chosen(accounts: list[Any], typed: str, request: DeskRequest) -> Any:
    """The account asked for, else the one of the top bar, else the first that has a listener."""
    wanted = typed if _is_id(typed) else str(request.account.pk) if request.account else ""
    return next((one for one in accounts if str(one.pk) == wanted), accounts[0] if accounts else None)


def _day(typed: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return trading_day(utc_now())


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _file(lines: Iterator[str], name: str, form: str) -> StreamingHttpResponse:
    ending = {"csv": "csv", "raw": "fix.log"}[form]
    return StreamingHttpResponse(
        export_chunks(lines),
        content_type=FORMATS[form],
        headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"'},
    )


def _is_id(typed: str) -> bool:
    return typed.isascii() and typed.isdigit() and 0 < len(typed) < 19


def _quote_of(fields: list[Any]) -> str:
    found = {int(tag): str(value) for tag, value in fields}
    return next((found[tag] for tag in (117, 131, 21023) if tag in found), "")
