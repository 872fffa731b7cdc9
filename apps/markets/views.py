"""Pages of markets. Each view reads through selectors; live values come over the socket."""

from datetime import timedelta

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now
from apps.markets import pages
from apps.markets.access import market_for
from apps.markets.models import Market
from apps.markets.selectors import candles

DEFAULT_ENVIRONMENT = "paper"


def environment_of(request: DeskRequest) -> str:
    """Return the environment of the selected account; a desk without accounts looks at paper."""
    return request.account.environment if request.account else DEFAULT_ENVIRONMENT


def market_or_404(request: DeskRequest, ticker: str) -> Market:
    try:
        return market_for(request.actor, environment=environment_of(request), ticker=ticker)
    except NotFound as exc:
        raise Http404(
            f"There is no market {ticker[:120]} in {environment_of(request)}. Search for it by name."
        ) from exc


@requires(Permission.MARKET_VIEW)
@require_safe
def market_detail(request: DeskRequest, ticker: str) -> HttpResponse:
    market = market_or_404(request, ticker)
    return render(request, "markets/market.html", pages.market_context(request, market))


@requires(Permission.MARKET_VIEW)
@require_safe
def market_candles(request: DeskRequest, ticker: str) -> JsonResponse:
    """Candles of one period (?period=1, 60 or 1440 minutes), oldest first, for the chart."""
    market = market_or_404(request, ticker)
    try:
        period = int(request.GET.get("period", pages.DEFAULT_PERIOD))
        start = utc_now() - timedelta(minutes=pages.REACH.get(period, 1))
        found = candles(market.environment, market.ticker, period=period, start=start)
    except ValueError:
        return JsonResponse({"error": "A period is a number of minutes: 1, 60 or 1440."}, status=400)
    except DeskError as exc:
        return JsonResponse({"error": exc.text}, status=502 if exc.code == "no_candles" else 400)
    return JsonResponse({"candles": found})
