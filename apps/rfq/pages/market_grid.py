"""The price steps of one market, for whoever types a quote: the ticket moves along them."""

from django.http import JsonResponse
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.permissions import Permission, Within
from apps.markets.models import Market


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def rfq_market_grid(request: DeskRequest, ticker: str) -> JsonResponse:
    """{"ranges": [{"start","end","step"}]} in dollars; empty while the catalogue does not know them."""
    environment = request.account.environment if request.account else ""
    market = Market.objects.filter(environment=environment, ticker=ticker).only("price_ranges").first()
    return JsonResponse({"ranges": [] if market is None else market.price_ranges})
