"""What the exchange pays for making markets, of all markets at once."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.permissions import Permission
from apps.markets import incentives
from apps.markets.views import environment_of


@requires(Permission.MARKET_VIEW)
@require_safe
def rewards(request: DeskRequest) -> HttpResponse:
    """Programs that run or are to come, by ?sort= (a key of SORTS, "-" before it turns it round) and ?kind=."""
    sort, kind = request.GET.get("sort", ""), request.GET.get("kind", "")
    sort = sort if sort.removeprefix("-") in incentives.SORTS else "reward"
    kind = kind if kind in dict(incentives.KINDS) else ""
    rows, total = incentives.programs_list(environment_of(request), sort=sort, kind=kind)
    heads = [
        {
            "key": key,
            "label": label,
            "next": f"-{key}" if sort == key else key,
            "order": ("" if sort.removeprefix("-") != key else "descending" if sort == downwards else "ascending"),
        }
        for key, label, downwards in (
            ("market", "Market", "-market"),
            ("reward", "Reward", "reward"),
            ("starts", "From", "-starts"),
            ("ends", "To", "-ends"),
        )
    ]
    context = {"rows": rows, "total": total, "heads": heads, "kind": kind, "kinds": incentives.KINDS, "sort": sort}
    return render(request, "markets/rewards.html", context)
