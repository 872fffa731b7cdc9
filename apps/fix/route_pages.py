"""FIX > Routes: which way the orders, quotes and requests of each account leave, and what is under way on it."""

from typing import Any, Final

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_visible
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.core.rfq import QuoteState, RfqState
from apps.fix import routes
from apps.fix.console import TONES
from apps.fix.models import FixRoute, FixSession
from apps.fix.routing import UP
from apps.orders.models import Order, OrderIntent
from apps.rfq.models import Accept, Quote, Rfq

What, Way = FixRoute.What, FixRoute.Way
WORDS: Final = {
    What.ORDERS: "Orders, changes, cancels and order groups",
    What.QUOTES: "Quotes of the maker, and their confirmations",
    What.REQUESTS: "Requests for quotes, and taking a quote",
}
# What happens when the session is down, per kind: people decide by this.
DOWN: Final = {
    What.ORDERS: "New orders and changes are refused; cancels go by REST.",
    What.QUOTES: "New quotes are refused; withdrawals and confirmations go by REST.",
    What.REQUESTS: "New requests and accepts are refused; closing goes by REST.",
}
_IN_DOUBT: Final = ("sending", "unknown")
Counts = dict[int, int]


@requires(Permission.DESK_VIEW)
@require_safe
def fix_routes(request: DeskRequest) -> HttpResponse:
    """Every account of the desk with its three ways."""
    accounts = list(accounts_visible(request.actor))
    context = {
        "places": route_places(accounts),
        "may_route": request.actor.may(Permission.FIX_ROUTE),
        "page_data": {"accounts": [one.pk for one in accounts]},
    }
    return render(request, "fix/routes.html", context)


@requires(Permission.FIX_ROUTE)
@steps_up("fix_routes")
@require_POST
def fix_route_set(request: DeskRequest) -> HttpResponse:
    """Send one kind of what an account trades another way, from the next one on."""
    given = request.POST
    account = given.get("account", "")
    try:
        if not (account.isdecimal() and len(account) < 19):
            raise DeskError("bad_input", "Choose an account.")
        row = routes.route_set(
            request.actor,
            int(account),
            given.get("way", ""),
            why=given.get("why", ""),
            what=given.get("what", ""),
            prefers_better="prefers_better" in given,
        )
    except DeskError as exc:
        messages.error(request, f"Nothing was changed: {exc.text}")
    else:
        messages.success(request, f"{row.get_what_display()} leave by {row.get_way_display()} from now on.")
    return redirect("fix_routes")


def route_places(accounts: list[ExchangeAccount]) -> list[dict[str, Any]]:
    """Return each account with its three ways: what is set, by whom and why, how its session is, what is open."""
    ids = [one.pk for one in accounts]
    rows = {(row.account_id, row.what): row for row in _rows(ids)}
    sessions = {(row.account_id, row.kind): row for row in FixSession.objects.filter(account_id__in=ids)}
    opened = {what: _open(what, ids) for what in What}
    places = []
    for account in accounts:
        ways = []
        for what in What:
            row = rows.get((account.pk, what))
            way = Way(row.way) if row else Way.REST
            ways.append(
                {
                    "what": what.value,
                    "label": what.label,
                    "words": WORDS[what],
                    "way": way.value,
                    "way_text": way.label,
                    "row": row,
                    "session": _session_words(sessions.get((account.pk, way.value)), way),
                    "down": "" if way is Way.REST else DOWN[what],
                    "open": opened[what][0].get(account.pk, 0),
                    "in_doubt": opened[what][1].get(account.pk, 0),
                    "choices": [_choice(Way(one), sessions.get((account.pk, one)), way) for one in routes.WAYS[what]],
                }
            )
        places.append({"account": account, "ways": ways})
    return places


def _rows(account_ids: list[int]) -> list[FixRoute]:
    return list(FixRoute.objects.filter(account_id__in=account_ids).select_related("changed_by"))


def _session_words(session: FixSession | None, way: FixRoute.Way) -> dict[str, Any]:
    if way is Way.REST:
        return {"text": "", "tone": ""}
    if session is None or session.is_listener:
        return {"text": "No session that may trade", "tone": "danger"}
    state = FixSession.State(session.state)
    is_up = session.state in UP
    tone = TONES[state] if is_up or TONES[state] == "danger" else "warning"  # stopped is no rest here: nothing leaves
    return {"id": session.pk, "text": state.label, "tone": tone, "is_up": is_up}


def _choice(way: FixRoute.Way, session: FixSession | None, chosen: FixRoute.Way) -> dict[str, Any]:
    is_there = way is Way.REST or (session is not None and not session.is_listener)
    why_not = "" if is_there else " (not defined)" if session is None else " (a listener)"
    return {"value": way.value, "text": f"{way.label}{why_not}", "is_there": is_there, "is_chosen": way is chosen}


def _open(what: FixRoute.What, ids: list[int]) -> tuple[Counts, Counts]:
    """Return how many are open, and how many are in doubt, by account."""
    if what is What.ORDERS:
        resting = Order.objects.filter(account_id__in=ids, status="resting")
        return _counts(resting), _counts(OrderIntent.objects.filter(account_id__in=ids, state__in=_IN_DOUBT))
    if what is What.QUOTES:
        quotes = Quote.objects.filter(account_id__in=ids)
        live = quotes.filter(state__in=[QuoteState.OPEN, QuoteState.ACCEPTED, QuoteState.CONFIRMED])
        return _counts(live), _counts(quotes.filter(state__in=_IN_DOUBT))
    asked = Rfq.objects.filter(account_id__in=ids)
    doubts = _counts(asked.filter(state__in=_IN_DOUBT))
    accepts = Accept.objects.filter(rfq__account_id__in=ids, state__in=_IN_DOUBT)
    for account_id, count in accepts.values_list("rfq__account_id").annotate(Count("pk")):
        doubts[account_id] = doubts.get(account_id, 0) + count
    return _counts(asked.filter(state=RfqState.OPEN)), doubts


def _counts(rows: Any) -> Counts:
    return dict(rows.order_by().values_list("account_id").annotate(Count("pk")))
