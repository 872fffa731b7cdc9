"""History > Reconciliation: where the sources differ, since when, why, and what was done about it."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.timesince import timesince
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import format_rfc3339, utc_now
from apps.history.models import Discrepancy, ReconcileRun, Subject
from apps.history.reconcile_resolve import (
    discrepancy_adopt,
    discrepancy_ignore,
    discrepancy_reread,
    reconcile_ask,
)
from apps.history.reconcile_sides import COMPARED, side_hash
from apps.orders.pages.export import export_chunks, safe_cell
from apps.rfq.selectors.blotters import Cursor, cursor_from

SHOWN = 100
STATES = {"open": "Open", "resolved": "Resolved", "ignored": "Ignored", "all": "All"}
SUBJECTS = {"": "Everything", **{subject.value: f"{subject.label}s" for subject in Subject}}
PUSHED = ("ws", "fix")
_SHOWN_PARTS = {
    Subject.TRADE: ("side", "count", "price", "fee"),
    Subject.ORDER: ("side", "count", "price", "status", "filled", "remaining"),
    Subject.POSITION: ("contracts",),
    Subject.SETTLEMENT: ("result", "value", "yes_count", "no_count", "payout"),
}
PROOF_COLUMNS = (
    "subject",
    "key",
    "kind",
    "cause",
    "state",
    "market",
    "subaccount",
    "occurred_at_utc",
    "first_seen_at_utc",
    "last_seen_at_utc",
    "resolved_at_utc",
    "resolution",
    "resolved_by",
    "differing_fields",
    "rest",
    "rest_sha256",
    "ledger",
    "ledger_sha256",
    "pushed_by",
    "pushed",
    "pushed_sha256",
)


@requires(Permission.DESK_VIEW)
@require_safe
def reconciliation(request: DeskRequest) -> HttpResponse:
    """Open differences first; ?state= and ?subject= choose others."""
    if request.account is None:
        return render(request, "history/reconciliation.html", {"account": None})
    return render(request, "history/reconciliation.html", list_context(request, request.account))


@requires(Permission.DESK_VIEW)
@require_safe
def reconciliation_list(request: DeskRequest) -> HttpResponse:
    """The part of the page that changes."""
    if request.account is None:
        return HttpResponse(status=204)
    return render(request, "history/_reconciliation_list.html", list_context(request, request.account))


@requires(Permission.HISTORY_SYNC)
@require_POST
def reconciliation_run(request: DeskRequest) -> HttpResponse:
    typed = request.POST.get("hours", "")
    hours = int(typed) if typed.isdecimal() and len(typed) < 5 else 1
    try:
        if request.account is None:
            raise DeskError("no_account", "Choose an account in the top bar first.")
        reconcile_ask(request.actor, account_id=request.account.pk, hours=hours)
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, "The sources are compared now; the run appears below.")
    return redirect("history_reconciliation")


@requires(Permission.HISTORY_SYNC)
@require_POST
def reconciliation_resolve(request: DeskRequest) -> HttpResponse:
    """`deed`: reread, adopt, or ignore with a `reason`; the service asks for the right that each needs."""
    pk, deed = request.POST.get("difference", ""), request.POST.get("deed", "")
    number = int(pk) if pk.isdecimal() and len(pk) < 19 else 0
    try:
        _resolve(request.actor, number, deed, reason=request.POST.get("reason", ""))
    except DeskError as exc:
        messages.error(request, f"Nothing was done: {exc.text}")
    return redirect("history_reconciliation")


def _resolve(actor: Actor, pk: int, deed: str, *, reason: str) -> None:
    match deed:
        case "reread":
            discrepancy_reread(actor, pk)
        case "adopt":
            discrepancy_adopt(actor, pk)
        case "ignore":
            discrepancy_ignore(actor, pk, reason=reason)
        case _:
            raise DeskError("bad_input", "Read again, adopt, or ignore.")


@requires(Permission.DESK_EXPORT)
@require_POST
def reconciliation_proof(request: DeskRequest) -> HttpResponseBase:
    """Every difference of the choice as CSV with all sides and their hashes; who took it is written down."""
    account = request.account
    if account is None:
        return redirect("history_reconciliation")
    rows = _chosen(account, request.POST.get("state", "all"), request.POST.get("subject", ""))
    audit.record(
        "history.reconciliation.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"state": request.POST.get("state", "all")[:10], "rows": rows.count()},
    )
    name = f"reconciliation-{account.environment}-{utc_now():%Y%m%d-%H%M%S}.csv"
    return StreamingHttpResponse(
        export_chunks(proof_lines(rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def proof_lines(rows: Any) -> Iterator[str]:
    """Yield RFC 4180 lines. A side's hash is the SHA-256 of its JSON as it stands in the column beside it."""
    writer = csv.writer(_Echo())
    yield writer.writerow(PROOF_COLUMNS)
    for row in rows.select_related("resolved_by").iterator(chunk_size=500):
        yield writer.writerow(_proof(row))


def _proof(row: Discrepancy) -> list[str]:
    pushed = next((name for name in PUSHED if row.sides.get(name) is not None), "")
    rest, ledger, push = row.sides.get("rest"), row.sides.get("ledger"), row.sides.get(pushed)
    differing = _differing(row)
    times = (row.occurred_at, row.first_seen_at, row.last_seen_at, row.resolved_at)
    return [
        row.subject,
        safe_cell(row.key),
        row.kind,
        row.cause,
        row.state,
        safe_cell(row.ticker),
        str(row.subaccount),
        *("" if at is None else format_rfc3339(at) for at in times),
        safe_cell(row.resolution),
        safe_cell(row.resolved_by.get_username()) if row.resolved_by else "",
        " ".join(differing),
        _json(rest),
        side_hash(rest),
        _json(ledger),
        side_hash(ledger),
        pushed,
        _json(push),
        side_hash(push),
    ]


def _json(side: dict[str, str | None] | None) -> str:
    return "" if side is None else json.dumps(side, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _differing(row: Discrepancy) -> list[str]:
    told = [side for side in row.sides.values() if side is not None]
    return [name for name in COMPARED[row.subject] if len({side.get(name) for side in told}) > 1]


def _chosen(account: ExchangeAccount, state: str, subject: str) -> Any:
    rows = Discrepancy.objects.filter(account=account)
    if state in ("open", "resolved", "ignored"):
        rows = rows.filter(state=state)
    if subject in Subject.values:
        rows = rows.filter(subject=subject)
    # By when it began, which no later run moves: a page is the same when it is asked for again.
    return rows.order_by("-first_seen_at", "-pk")


def _after(request: DeskRequest) -> Cursor | None:
    try:
        return cursor_from(request.GET.get("after", ""))
    except DeskError:
        return None


def _page(rows: Any, after: Cursor | None) -> tuple[list[Discrepancy], str]:
    """Return the rows of a page and where the next one begins, "" at the end."""
    if after is not None:
        rows = rows.filter(Q(first_seen_at__lt=after.at) | Q(first_seen_at=after.at, pk__lt=after.pk))
    found = list(rows.select_related("resolved_by")[: SHOWN + 1])
    if len(found) <= SHOWN:
        return found, ""
    last = found[SHOWN - 1]
    return found[:SHOWN], str(Cursor(last.first_seen_at, last.pk))


def list_context(request: DeskRequest, account: ExchangeAccount) -> dict[str, Any]:
    state, subject = request.GET.get("state", "open"), request.GET.get("subject", "")
    state, subject = state if state in STATES else "open", subject if subject in SUBJECTS else ""
    after = _after(request)
    rows, older = _page(_chosen(account, state, subject), after)
    counts = {name: _chosen(account, name, subject).count() for name in STATES}
    runs = ReconcileRun.objects.filter(account=account).select_related("asked_by").order_by("-started_at")
    last = runs.exclude(finished_at=None).first()
    return {
        "account": account,
        "rows": [_row(row) for row in rows],
        "total": counts[state],
        "after": str(after or ""),
        "older": older,
        "states": [{"name": name, "words": words, "count": counts[name]} for name, words in STATES.items()],
        "state": state,
        "subjects": SUBJECTS.items(),
        "subject": subject,
        "runs": list(runs[:8]),
        "last": last,
        "last_compared": _compared(last),
        "may_sync": request.actor.may(Permission.HISTORY_SYNC),
        "may_decide": request.actor.may(Permission.LIMIT_MANAGE),
        "may_export": request.actor.may(Permission.DESK_EXPORT),
    }


def _compared(run: ReconcileRun | None) -> str:
    if run is None or not run.compared:
        return ""
    text = ", ".join(f"{run.compared.get(one.value, 0):,} {one.label.lower()}s" for one in Subject)
    if "trade_both" in run.compared:
        both, fix, rest = (run.compared.get(f"trade_{name}", 0) for name in ("both", "fix", "rest"))
        text += f"; trades found by FIX and REST {both:,}, by FIX alone {fix:,}, by REST alone {rest:,}"
    return text


def _row(row: Discrepancy) -> dict[str, Any]:
    pushed = next((name for name in PUSHED if name in row.sides), "ws")
    differing = _differing(row)
    names = (("REST", "rest"), ("Ledger", "ledger"), ("FIX" if pushed == "fix" else "WebSocket", pushed))
    return {
        "row": row,
        "age": timesince(row.first_seen_at, row.resolved_at or utc_now()).split(",")[0],
        "fields": ", ".join(differing),
        "sides": [(words, _parts(row, row.sides.get(name), differing)) for words, name in names],
        "tone": {"open": "danger", "resolved": "ok", "ignored": "muted"}[row.state],
        "may_adopt": row.subject != Subject.POSITION and row.sides.get("rest") is not None,
    }


def _parts(row: Discrepancy, side: dict[str, str | None] | None, differing: list[str]) -> list[tuple[str, str, bool]]:
    """What one source says: (field, value, whether the sources differ in it); empty where it has no such record."""
    told = side or {}
    names = dict.fromkeys((*_SHOWN_PARTS[Subject(row.subject)], *differing))
    return [(name, str(told[name]), name in differing) for name in names if told.get(name)]
