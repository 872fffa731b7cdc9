"""The wall: for people of the desk, and for screens with a kiosk link. Nothing on it can be pressed but the view."""

import hashlib
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_visible, only_looks
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now
from apps.monitoring.services.kiosk import DAYS_AT_MOST, Screen, kiosk_make, kiosk_revoke, links_open, screen_of
from apps.monitoring.wall import panels

COOKIE = "desk-kiosk"
COOKIE_PATH = "/monitor/kiosk/"
_ENDED = "This link has ended. Ask a lead of the desk for a new one."


@requires(Permission.MARKET_VIEW)
@require_safe
def wall(request: HttpRequest) -> HttpResponse:
    asked = cast(DeskRequest, request)
    # Who could act here is signed out when nobody does; the page says so beforehand.
    idle_s = 0 if only_looks(asked.actor.user_id) else settings.SESSION_IDLE_S
    context = {"account": asked.account, "panels": "", "idle_minutes": idle_s // 60}
    if asked.account is not None:
        context["panels"] = panels(asked.actor, asked.account).decode()
    return render(request, "monitor/wall.html", context)


@requires(Permission.MARKET_VIEW)
@require_safe
def wall_panels(request: HttpRequest) -> HttpResponse:
    """The panels as they are now; the page puts them in the place of the old ones."""
    asked = cast(DeskRequest, request)
    if asked.account is None:
        raise NotFound("No account is selected.")
    return _marked(request, panels(asked.actor, asked.account))


# --- screens ----------------------------------------------------------------------------------------


@requires(Permission.PUBLIC)
@require_safe
@never_cache
@ensure_csrf_cookie
def kiosk(request: HttpRequest) -> HttpResponse:
    """The page of a screen. The secret stands behind the # of its address, which browsers send to nobody."""
    screen = _screen(request)
    context = {"panels": panels(screen.actor, screen.account).decode() if screen else "", "screen": screen}
    return _private(render(request, "monitor/kiosk.html", context))


@sensitive_post_parameters("secret")
@requires(Permission.PUBLIC)
@require_POST
def kiosk_enter(request: HttpRequest) -> HttpResponse:
    """Take the secret once, and keep it in a cookie that no script can read and that goes nowhere else."""
    secret = request.POST.get("secret", "")
    screen = screen_of(secret)
    if screen is None:
        return _private(HttpResponse(_ENDED, status=410, content_type="text/plain"))
    answer = HttpResponse(status=204)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=max(1, int((screen.link.expires_at - utc_now()).total_seconds())),
        path=COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
    return _private(answer)


@requires(Permission.PUBLIC)
@require_safe
def kiosk_panels(request: HttpRequest) -> HttpResponse:
    screen = _screen(request)
    if screen is None:
        return _private(HttpResponse(_ENDED, status=410, content_type="text/plain"))
    return _private(_marked(request, panels(screen.actor, screen.account)))


def _screen(request: HttpRequest) -> Screen | None:
    return screen_of(request.COOKIES.get(COOKIE, ""))


def _marked(request: HttpRequest, body: bytes) -> HttpResponse:
    """The panels, or 304 to who has them. The page keeps the mark: browsers keep nothing of a signed-in page."""
    mark = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    answer = HttpResponseNotModified() if request.headers.get("If-None-Match") == mark else HttpResponse(body)
    answer["ETag"] = mark
    return answer


def _private(answer: HttpResponse) -> HttpResponse:
    # No "no-referrer" here: browsers then name no origin either, and the forms of the page would be refused. What
    # stands behind the # is in no referrer anyway.
    answer["Cache-Control"] = "no-store, private"
    return answer


# --- links ------------------------------------------------------------------------------------------


@requires(Permission.WALL_SHARE)
@require_safe
def kiosks(request: HttpRequest) -> HttpResponse:
    return _kiosks(request)


@requires(Permission.WALL_SHARE)
@require_POST
def kiosk_add(request: HttpRequest) -> HttpResponse:
    """Make a link and show it once, in the answer itself: it is in no session and no message."""
    actor = cast(DeskRequest, request).actor
    days, account = request.POST.get("days", ""), request.POST.get("account", "")
    try:
        link, secret = kiosk_make(
            actor,
            account_id=int(account) if account.isdecimal() and len(account) < 16 else 0,
            label=request.POST.get("label", ""),
            days=int(days) if days.isdecimal() and len(days) < 4 else 0,
        )
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        return _kiosks(request, faults=exc.fields or {"general": exc.text}, status=422)
    address = request.build_absolute_uri(reverse("kiosk"))
    return _private(_kiosks(request, made=link.label, address=f"{address}#{secret}"))


@requires(Permission.WALL_SHARE)
@require_POST
def kiosk_end(request: HttpRequest) -> HttpResponse:
    raw = request.POST.get("link", "")
    link = kiosk_revoke(cast(DeskRequest, request).actor, int(raw) if raw.isdecimal() and len(raw) < 16 else 0)
    messages.success(request, f"The link “{link.label}” has ended.")
    return redirect("kiosks")


def _kiosks(request: HttpRequest, *, status: int = 200, **more: object) -> HttpResponse:
    actor = cast(DeskRequest, request).actor
    context = {
        "links": links_open(actor).select_related("account", "made_by").order_by("-pk"),
        "accounts": accounts_visible(actor),
        "days_at_most": DAYS_AT_MOST,
        "typed": request.POST,
        "faults": {},
    } | more
    return render(request, "monitor/kiosks.html", context, status=status)
