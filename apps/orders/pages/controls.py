"""Pages beside the blotter: batches, order groups, limits, and what the pause of the top bar reads."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.four_eyes import asking
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Permission, Within
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders import services
from apps.orders.models import RiskLimit
from apps.orders.pages.blotter import people_of
from apps.orders.pages.limit_form import limit_fields, limit_typed, limit_values, place_typed, typed_from
from apps.orders.pages.limits import limits_context, use_of_everybody

# As static/js/orders/batch-parse.js knows them.
BATCH_COLUMNS = (
    "ticker",
    "side",
    "price",
    "count",
    "terms",
    "expires_at",
    "post_only",
    "reduce_only",
    "cancel_on_pause",
    "group",
)


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def order_groups(request: DeskRequest) -> HttpResponse:
    """The selected account's order groups; the rows come live (topic `groups:<account>`)."""
    return render(
        request,
        "orders/groups.html",
        {"account": request.account, "may_place": _may_place(request)},
    )


@requires(Permission.ORDER_PLACE, Within.SUBACCOUNT)
@require_safe
def order_batch(request: DeskRequest) -> HttpResponse:
    """Several orders from a pasted table; the dry run and the send go over the socket."""
    return render(request, "orders/batch.html", {"account": request.account})


@requires(Permission.ORDER_PLACE, Within.SUBACCOUNT)
@require_safe
def order_batch_template(request: DeskRequest) -> HttpResponse:
    """A CSV file with every column that a batch may have, and two lines that show how they are written."""
    environment = request.account.environment if request.account else ""
    market = Market.objects.filter(environment=environment, status="active").order_by("ticker").first()
    ticker = market.ticker if market else "TICKER"
    lines = [
        ",".join(BATCH_COLUMNS),
        f"{ticker},buy yes,21,100,GTC,,yes,,,",
        f"{ticker},buy no,52.5,40,IOC,,,,,",
    ]
    return HttpResponse(
        "".join(f"{line}\r\n" for line in lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="batch-template.csv"'},
    )


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def order_people(request: DeskRequest) -> JsonResponse:
    """Names by user id: live frames of pauses and cancels carry ids only."""
    return JsonResponse({"people": {str(pk): name for pk, name in people_of(request.actor).items()}})


@requires(Permission.DESK_VIEW)
@require_safe
def order_limits(request: DeskRequest) -> HttpResponse:
    """Limits and their use, for everybody to read; ?edit=<id> fills a lead's form with a row."""
    wanted = request.GET.get("edit", "")
    row = None
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 18 and request.actor.may(Permission.LIMIT_MANAGE):
        row = RiskLimit.objects.filter(pk=int(wanted), desk_id=request.actor.desk_id).first()
    return _limits(request, typed_from(row) if row else {}, {})


@requires(Permission.DESK_VIEW)
@require_safe
def order_limits_use(request: DeskRequest) -> HttpResponse:
    """The part of the page that is read again every few seconds."""
    uses = use_of_everybody(request.actor, request.account, now=utc_now()) if request.account else []
    return render(request, "orders/_limit_use.html", {"account": request.account, "uses": uses})


@requires(Permission.LIMIT_MANAGE)
@steps_up("order_limits")
@require_POST
def order_limit_set(request: DeskRequest) -> HttpResponse:
    """Set the limits of one person and account, all at once; a refused form comes back as typed (422)."""
    typed = limit_typed(request.POST)
    try:
        user_id, account_id = _id(typed["user_id"]), _id(typed["account_id"])
        values = limit_values(typed)
        series, ticker = place_typed(typed)
        waits = asking(
            request.actor,
            lambda: services.limit_set(
                request.actor,
                values,
                reason=typed["reason"],
                user_id=user_id,
                account_id=account_id,
                loss_if_stale=typed["loss_if_stale"],
                series=series,
                ticker=ticker,
            ),
        )
    except NotAllowed:
        raise
    except DeskError as exc:
        return _limits(request, typed, exc.fields or {"general": exc.text})
    done = "The limits are set. Orders that are placed from now on meet them."
    asked = "Wider limits need a second person here: they wait under Team, Approvals. The old ones hold."
    messages.info(request, asked if waits else done)
    return redirect("order_limits")


@requires(Permission.LIMIT_MANAGE)
@steps_up("order_limits")
@require_POST
def order_limit_remove(request: DeskRequest) -> HttpResponse:
    try:
        services.limit_remove(
            request.actor, _id(request.POST.get("limit_id", "")) or 0, reason=request.POST.get("reason", "")
        )
    except NotAllowed:
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.info(request, "The row is removed. What else applies to the same people still holds.")
    return redirect("order_limits")


def _may_place(request: DeskRequest) -> bool:
    return bool(request.actor.may_on(Permission.ORDER_PLACE, request.actor.account_id, request.subaccount))


def _limits(request: DeskRequest, typed: Mapping[str, str], faults: Mapping[str, str]) -> HttpResponse:
    context = limits_context(request.actor, request.account, now=utc_now())
    shown = {name: faults.get(name, "") for name in ("general", "place", "reason", "loss_if_stale")}
    form = {"fields": limit_fields(typed, faults), "typed": typed, **shown}
    return render(request, "orders/limits.html", {**context, "form": form}, status=422 if faults else 200)


def _id(text: str) -> int | None:
    """Raises DeskError for anything but "" and a row id."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise DeskError("bad_input", "Say which one.", fields={"general": "Choose from the list."})
    return int(text)
