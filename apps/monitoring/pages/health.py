"""What programs ask: is this process alive, can it serve, and the figures for Prometheus.

The figures are for a scraper with the token of DESK_METRICS_TOKEN, or, without such a token, for this machine alone.
"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.permissions import requires
from apps.core.permissions import Permission
from apps.monitoring import health
from apps.monitoring.metrics import CONTENT_TYPE, metrics_text

_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


@requires(Permission.PUBLIC)
@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 while this process answers. Nothing is asked of anything else: a restart would not mend that."""
    return HttpResponse("ok\n", content_type="text/plain")


@requires(Permission.PUBLIC)
@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when this process can serve people, else 503 and what is missing in a word."""
    missing = health.is_ready()
    if missing:
        return HttpResponse(f"not ready: {missing}\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")


@requires(Permission.PUBLIC)
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures; 404 for whoever may not see them, as if there were nothing here."""
    if not _may_scrape(request):
        return HttpResponse("not found\n", status=404, content_type="text/plain")
    return HttpResponse(metrics_text(), content_type=CONTENT_TYPE)


def _may_scrape(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN:
        return constant_time_compare(given, settings.METRICS_TOKEN)
    if any(name in request.headers for name in _FORWARDED):
        return False  # a proxy on this machine speaks for somebody elsewhere
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
