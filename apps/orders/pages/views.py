"""The Orders page, its older rows, its CSV, cancels of several orders, and an order's own page."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import account_seen
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission, Within
from apps.core.timestamps import utc_now
from apps.orders import services
from apps.orders.pages import scopes
from apps.orders.pages.blotter import blotter_context, people_of, rows_context
from apps.orders.pages.detail import order_context
from apps.orders.pages.export import export_chunks, export_lines
from apps.orders.pages.filters import filter_from
from apps.orders.pages.rows import PAGE_AT_MOST, blotter_rows, cursor_from
from apps.orders.tickets import read_key

_ROWS_AT_ONCE = 200


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def orders(request: DeskRequest) -> HttpResponse:
    """The selected account's orders; the browser replaces the first page by a live grid."""
    if request.account is None:
        return render(request, "orders/list.html", {"account": None})
    try:
        chosen = filter_from(request.GET)
        after = cursor_from(request.GET.get("after", ""))
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("orders")
    context = blotter_context(request.actor, request.account, chosen=chosen, after=after)
    return render(request, "orders/list.html", {**context, "idempotency_key": uuid.uuid4()})


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def order_rows(request: DeskRequest) -> JsonResponse:
    """Older rows (?tab=&q=&side=&person=&after=&limit=) with the counts of all tabs, as JSON."""
    try:
        chosen = filter_from(request.GET)
        after = cursor_from(request.GET.get("after", ""))
        limit = _whole(request.GET.get("limit", ""), default=_ROWS_AT_ONCE)
        account = _account(request)
        return JsonResponse(rows_context(request.actor, account, chosen=chosen, after=after, limit=limit))
    except DeskError as exc:
        return _refusal(exc)


@requires(Permission.DESK_EXPORT, Within.SUBACCOUNT)
@require_POST
def order_export(request: DeskRequest) -> HttpResponse | StreamingHttpResponse:
    """Every order of the tab and the filters as CSV, older ones included. A POST, because the trail keeps it."""
    try:
        chosen = filter_from(request.POST)
        account = _account(request)
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("orders")
    audit.record(
        "orders.list.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={
            "tab": chosen.tab,
            "text": chosen.text,
            "side": chosen.side,
            "person": chosen.person,
            "subaccount": chosen.subaccount,
        },
    )
    rows = blotter_rows(request.actor.only(Permission.DESK_EXPORT), account_id=account.pk, chosen=chosen)
    lines = export_lines(rows, people=people_of(request.actor))
    name = f"orders-{account.environment}-{chosen.tab}-{utc_now():%Y%m%d-%H%M%S}.csv"
    return StreamingHttpResponse(
        export_chunks(lines) if isinstance(request, ASGIRequest) else lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def order_detail(request: DeskRequest, key: str) -> HttpResponse:
    try:
        context = order_context(request.actor, key)
    except NotFound as exc:
        raise Http404(exc.text) from exc
    return render(request, "orders/detail.html", {**context, "idempotency_key": uuid.uuid4()})


@requires(Permission.ORDER_CANCEL, Within.SUBACCOUNT)
@require_POST
def order_cancel(request: DeskRequest) -> HttpResponse:
    """Cancel chosen orders: first what that means, in words; with `confirmed`, do it. JSON where it is asked for."""
    try:
        account = _account_shown(request)
        chosen = request.POST.getlist("order_id")
        scope = scopes.scope_chosen(request.actor, account_id=account.pk, order_ids=chosen)
        key = _key(request)
        if not scope.orders:
            raise DeskError("order_done", "There is nothing to cancel: the chosen orders are done.")
        if not request.POST.get("confirmed"):
            return _ask(request, scope, key=key, account=account)
        done = scopes.cancel_chosen(request.actor, scope, account_id=account.pk)
    except DeskError as exc:
        return _refused(request, exc)
    if _wants_json(request):
        return JsonResponse(done)
    messages.info(request, f"Cancelling {scope.words}. The list shows what becomes of each.")
    return _back(request)


@requires(Permission.ORDER_CANCEL, Within.SUBACCOUNT)
@require_POST
def order_cancel_all(request: DeskRequest) -> HttpResponse:
    """Cancel every working order of the account, and withdraw what was not sent yet."""
    try:
        account = _account_shown(request)
        if not request.POST.get("confirmed"):
            scope = scopes.scope_all(request.actor, account_id=account.pk)
            return _ask(request, scope, key=uuid.uuid4(), account=account, is_all=True)
        done = services.cancel_all(request.actor, account_id=account.pk)
    except DeskError as exc:
        return _refused(request, exc)
    if _wants_json(request):
        return JsonResponse({"cancels": done.cancels, "withdrawn": done.withdrawn, "unresolved": done.unresolved})
    words = f"Cancelling {done.cancels} working and {done.withdrawn} unsent orders."
    if done.unresolved:
        words += f" {done.unresolved} with an unknown outcome cannot be cancelled before it is known what they are."
    messages.info(request, words)
    return _back(request)


def _ask(
    request: DeskRequest, scope: scopes.Scope, *, key: uuid.UUID, account: ExchangeAccount, is_all: bool = False
) -> HttpResponse:
    """The confirmation of a cancel without scripts."""
    more = scopes.unsent_and_unknown(request.actor, account_id=account.pk) if is_all else {}
    context = {
        "scope": scope,
        "idempotency_key": key,
        "account": account,
        "is_all": is_all,
        "next": _next(request),
        **more,
    }
    return render(request, "orders/confirm.html", context)


def _account(request: DeskRequest) -> ExchangeAccount:
    if request.account is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    return account_seen(request.actor, request.account.pk)


def _account_shown(request: DeskRequest) -> ExchangeAccount:
    """Raises DeskError `account_changed` for a page that was opened for another account than the one selected."""
    account = _account(request)
    if request.POST.get("account_id", "") not in ("", str(account.pk)):
        raise DeskError(
            "account_changed",
            "Another account was selected since this list was opened. Load the page again and look at what it lists.",
        )
    return account


def _key(request: HttpRequest) -> uuid.UUID:
    try:
        return read_key(request.POST.get("idempotency_key", ""))
    except ValueError as exc:
        raise DeskError("bad_input", str(exc)) from exc


def _whole(text: str, *, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise DeskError(
            "bad_input", f"limit is a whole number up to {PAGE_AT_MOST}.", fields={"limit": "Not a number."}
        )
    return int(text)


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _next(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/")
    return target if is_ours else ""


def _back(request: HttpRequest) -> HttpResponse:
    return redirect(_next(request) or "orders")


def _refused(request: HttpRequest, exc: DeskError) -> HttpResponse:
    if isinstance(exc, NotAllowed):
        raise exc
    if _wants_json(request):
        return _refusal(exc)
    messages.error(request, exc.text)
    return _back(request)


def _refusal(exc: DeskError) -> JsonResponse:
    status = 404 if isinstance(exc, NotFound) else 403 if isinstance(exc, NotAllowed) else 400
    body: dict[str, Any] = {"error": exc.text, "code": exc.code, "fields": exc.fields}
    return JsonResponse(body, status=status)
