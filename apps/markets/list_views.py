"""The Markets page, its rows, the palette's search, the Event page, and watchlists."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission
from apps.markets import event_pages, list_pages, services
from apps.markets.forms import STARRED_LIST, MarketFilterForm
from apps.markets.views import environment_of

SEARCH_TEXT_AT_MOST = 120


@requires(Permission.MARKET_VIEW)
@require_safe
def markets(request: DeskRequest) -> HttpResponse:
    """All markets of the selected account's environment; the browser replaces the first page by a live grid."""
    form = MarketFilterForm(request.GET)
    environment = environment_of(request)
    try:
        context = list_pages.list_context(request.actor, environment, form.chosen())
    except NotFound as exc:
        raise Http404(exc.text) from exc
    except DeskError as exc:
        context = list_pages.refused_context(request.actor, environment, request.GET, exc.fields)
        return render(request, "markets/list.html", context, status=400)
    return render(request, "markets/list.html", context)


@requires(Permission.MARKET_VIEW)
@require_safe
def market_rows(request: DeskRequest) -> JsonResponse:
    """Rows of the grid (?offset=&limit= and the page's filters) with the total, as JSON."""
    try:
        chosen = MarketFilterForm(request.GET).chosen()
        return JsonResponse(list_pages.rows_context(request.actor, environment_of(request), chosen))
    except DeskError as exc:
        return _refusal(exc)


@requires(Permission.MARKET_VIEW)
@require_safe
def market_search(request: DeskRequest) -> JsonResponse:
    """What the command palette shows for ?q=."""
    text = request.GET.get("q", "")[:SEARCH_TEXT_AT_MOST].replace("\x00", "")
    return JsonResponse({"markets": list_pages.search_results(request.actor, environment_of(request), text)})


@requires(Permission.MARKET_VIEW)
@require_safe
def event_detail(request: DeskRequest, ticker: str) -> HttpResponse:
    environment = environment_of(request)
    try:
        context = event_pages.event_context(request.actor, environment, ticker)
    except NotFound as exc:
        raise Http404(f"There is no event {ticker[:120]} in {environment}. Search for it by name.") from exc
    return render(request, "markets/event.html", context)


@requires(Permission.MARKET_VIEW)
@require_POST
def watchlist_star(request: DeskRequest) -> HttpResponse:
    """Star or unstar one market; JSON for the grid, a redirect back for a plain form."""
    wanted = {"1": True, "0": False}.get(request.POST.get("starred", ""))
    try:
        star = services.watchlist_star(
            request.actor,
            environment=environment_of(request),
            ticker=request.POST.get("ticker", ""),
            watchlist_id=_list_id(request.POST.get("list", "")),
            is_starred=wanted,
        )
    except DeskError as exc:
        if _wants_json(request):
            return _refusal(exc)
        messages.error(request, exc.text)
        return _back(request)
    if not _wants_json(request):
        return _back(request)
    listed = star.watchlist
    return JsonResponse(
        {"starred": star.is_starred, "list": {"id": listed.pk, "name": listed.name, "count": len(listed.tickers)}}
    )


@requires(Permission.MARKET_VIEW)
@require_POST
def watchlist_create(request: DeskRequest) -> HttpResponse:
    """A list of the person's own, or of the desk (traders and leads)."""
    try:
        made = services.watchlist_create(
            request.actor,
            environment=environment_of(request),
            name=request.POST.get("name", ""),
            is_shared=request.POST.get("shared") == "on",
        )
    except DeskError as exc:
        messages.error(request, exc.text)
        return _back(request)
    messages.success(request, f"{made.name} is ready. Stars put markets on the list that is shown.")
    return redirect(f"{reverse('markets')}?list={made.pk}")


@requires(Permission.MARKET_VIEW)
@require_POST
def watchlist_rename(request: DeskRequest, watchlist_id: int) -> HttpResponse:
    try:
        services.watchlist_rename(
            request.actor,
            environment=environment_of(request),
            watchlist_id=watchlist_id,
            name=request.POST.get("name", ""),
        )
    except NotFound as exc:
        raise Http404(exc.text) from exc
    except DeskError as exc:
        messages.error(request, exc.text)
    return redirect(f"{reverse('markets')}?list={watchlist_id}")


@requires(Permission.MARKET_VIEW)
@require_POST
def watchlist_remove(request: DeskRequest, watchlist_id: int) -> HttpResponse:
    try:
        name = services.watchlist_remove(request.actor, environment=environment_of(request), watchlist_id=watchlist_id)
    except NotFound as exc:
        raise Http404(exc.text) from exc
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect(f"{reverse('markets')}?list={watchlist_id}")
    messages.success(request, f"{name} was removed. Its markets are still here.")
    return redirect("markets")


def _list_id(raw: str) -> int | None:
    """None stands for the person's own "Starred" list. Raises NotFound."""
    if raw in ("", STARRED_LIST):
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 18):
        raise NotFound("There is no such list.")
    return int(raw)


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _back(request: HttpRequest) -> HttpResponse:
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/")
    return redirect(target if is_ours else reverse("markets"))


def _refusal(exc: DeskError) -> JsonResponse:
    status = 404 if isinstance(exc, NotFound) else 403 if isinstance(exc, NotAllowed) else 400
    body: dict[str, Any] = {"error": exc.text, "code": exc.code, "fields": exc.fields}
    return JsonResponse(body, status=status)
