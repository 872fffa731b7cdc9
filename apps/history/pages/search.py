"""History > Search: every order, fill, settlement, request, quote and kept trade, by any filter, and as a file."""

from typing import Any, cast, get_args

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_seen
from apps.accounts.kept import preferences_of
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission, Within
from apps.core.timestamps import utc_now
from apps.history.exports.http import export_response
from apps.history.exports.services import FORMATS, names_for, search_export
from apps.history.pages.cells import cells_of, heads_of
from apps.history.search.choice import Choice, choice_from
from apps.history.search.sources import ELSEWHERE, SIDES, SOURCES, Source
from apps.history.search.walk import SearchPage, search_count, search_page
from apps.orders.pages.blotter import people_of, titles_of
from apps.orders.reports import Source as Told
from apps.rfq.selectors.blotters import cursor_from

ALL_ACCOUNTS = "all"
# Filters that are folded away until one of them is used.
_MORE = ("subaccount", "size_from", "size_to", "price_from", "price_to", "source", "id")


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def history_search(request: DeskRequest) -> HttpResponse:
    """What a choice matches, newest first (?kind=&account=&q=&...&after=)."""
    errors: dict[str, str] = {}
    typed = _typed(request, request.GET)
    try:
        choice = choice_from(typed, zone=_zone(request))
        after = cursor_from(request.GET.get("after", ""))
        page = search_page(request.actor, choice, after=after)
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        errors = exc.fields or {"q": exc.text}
        kind = typed.get("kind", "")
        choice, after, page = (
            Choice(kind if kind in SOURCES else "orders", zone=_zone(request)),
            None,
            SearchPage([], None),
        )
    context = _context(request.actor, choice, page) | {
        "is_first": after is None,
        "errors": errors,
        "typed": typed,
        "is_more_used": any(typed.get(name) for name in _MORE),
        "now": utc_now(),
    }
    return render(request, "history/search.html", context, status=422 if errors else 200)


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def history_search_count(request: DeskRequest) -> JsonResponse:
    """How many a choice matches, by parts (?...&after=): `next` is where the next part begins, "" at the end."""
    try:
        choice = choice_from(_typed(request, request.GET), zone=_zone(request))
        counted = search_count(request.actor, choice, after=cursor_from(request.GET.get("after", "")))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        return JsonResponse({"text": exc.text}, status=422)
    return JsonResponse({"rows": counted.rows, "next": str(counted.next or "")})


@requires(Permission.DESK_EXPORT, Within.SUBACCOUNT)
@require_POST
def history_search_export(request: DeskRequest) -> HttpResponse | StreamingHttpResponse:
    """Everything that the choice matches, as a file. A POST, because the trail keeps it."""
    form = request.POST.get("format", "")
    try:
        choice = choice_from(_typed(request, request.POST), zone=_zone(request))
        table = search_export(request.actor, choice, form=form)
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("history_search")
    return export_response(request, table, form=form, name=f"{choice.kind}-{utc_now():%Y%m%d-%H%M%S}")


def _typed(request: DeskRequest, given: QueryDict) -> dict[str, str]:
    """What was typed. Without an account it is the one of the top bar, so that environments do not mix unasked."""
    typed = {name: str(value) for name, value in given.items()}
    if "account" not in typed and request.account is not None:
        typed["account"] = str(request.account.pk)
    elif typed.get("account") == ALL_ACCOUNTS:
        typed["account"] = ""
    return typed


def _context(actor: Actor, choice: Choice, page: SearchPage) -> dict[str, Any]:
    names = names_for(actor)
    source = choice.of
    query = query_of(choice)
    unasked = {"account", "environment"} if choice.account else set()
    heads = heads_of(source, unasked=unasked, chosen=_chosen_columns(actor))
    rows = cells_of(source, heads, page.rows, names, zone=choice.zone, titles=_titles(source, page))
    return {
        "choice": choice,
        "source": source,
        "kinds": [(kind, one.label, f"?{query_of(choice.for_kind(kind))}") for kind, one in SOURCES.items()],
        "columns": heads,
        "rows": rows,
        "query": query,
        "next_query": f"{query}&after={page.next}" if page.next else "",
        "looked_to": page.looked_to,
        "is_narrowed": choice.for_kind(choice.kind) != Choice(choice.kind, account=choice.account, zone=choice.zone),
        "hidden_values": (choice.values() | {"account": choice.account or ALL_ACCOUNTS}).items(),
        "accounts": accounts_seen(actor),
        "all_accounts": ALL_ACCOUNTS,
        "people": people_of(actor).items(),
        "elsewhere": ELSEWHERE,
        "sides": SIDES.items(),
        "sources": get_args(Told),
        "formats": tuple(FORMATS),
        "may_export": bool(actor.reach(Permission.DESK_EXPORT)),
    }


def _chosen_columns(actor: Actor) -> dict[str, bool]:
    """Whether a column is shown, by `Head.id`, where the person chose; static/js/history/columns.js writes it."""
    kept = preferences_of(actor, "history").get("history.columns")
    if not isinstance(kept, list):
        return {}
    return {str(one.get("colId")): one.get("hide") is not True for one in kept if isinstance(one, dict)}


def _titles(source: Source, page: SearchPage) -> dict[str, str]:
    """What the markets of a page are called, by ticker."""
    places = {column.id: place + 2 for place, column in enumerate(source.columns)}
    tickers: dict[str, set[str]] = {}
    for row in page.rows:
        tickers.setdefault(row[places["environment"]], set()).add(row[places["market"]])
    found: dict[str, str] = {}
    for environment, of_environment in tickers.items():
        found |= titles_of(environment, of_environment)
    return found


def query_of(choice: Choice) -> str:
    return choice.query(account=choice.account or ALL_ACCOUNTS)


def _zone(request: HttpRequest) -> str:
    return cast(User, request.user).time_zone
