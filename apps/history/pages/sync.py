"""History > Sync: what has been read from the exchange, how far, and what is missing."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.permissions import Permission


@requires(Permission.DESK_VIEW)
@require_safe
def history(request: DeskRequest) -> HttpResponse:
    """The state of each data set of the selected account."""
    return render(request, "history/sync.html", {"account": request.account})
