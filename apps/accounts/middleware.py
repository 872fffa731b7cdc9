"""Who is asking, for every request; deny by default; nothing of a signed-in page is kept."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.debug import SafeExceptionReporterFilter

from apps.accounts import sign_ins
from apps.accounts.access import presence_judged
from apps.accounts.factor_policy import Need
from apps.accounts.permissions import UNDECLARED, declared_permission, declared_within, is_set_up, refuse
from apps.core.errors import NotAllowed, NotFound

logger = logging.getLogger(__name__)


class DeskRequest(HttpRequest):
    """What `DeskMiddleware` adds to a request, for type hints of views.

    All are None (and subaccount 0) for people who are not signed in or not on a desk, or who lack the second factor
    that it wants: `factor_need` says which then, and `factor_desk` whose wish it is.
    """

    desk: Any
    membership: Any
    actor: Any
    account: Any
    subaccount: int
    factor_need: Need
    factor_desk: str


class SecretsHidden(SafeExceptionReporterFilter):
    """Hides what views call sensitive on error pages with DEBUG on, too; Django's own does so only without."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True


class DeskMiddleware:
    """Sets request.desk, .membership, .actor, .account and .subaccount from the database each time.

    A role lowered, a membership ended or an account closed a moment ago counts for this request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.exception_reporter_filter = SecretsHidden()
        if request.user.is_authenticated and sign_ins.has_ended(request.session):
            logout(request)
        user = request.user
        is_signed_in = user.is_authenticated
        presence, need = None, Need.NOTHING
        if user.is_authenticated:
            sign_ins.seen(user.pk, request.session.session_key)
            if sign_ins.is_act(request):
                sign_ins.acted(user.pk, request.session.session_key)
            presence, need = presence_judged(user.pk, request.session)
        request.factor_need = need  # type: ignore[attr-defined]
        request.factor_desk = presence.desk.name if presence else ""  # type: ignore[attr-defined]
        presence = presence if need is Need.NOTHING else None
        for name in ("desk", "membership", "actor", "account"):
            setattr(request, name, getattr(presence, name, None))
        request.subaccount = presence.subaccount if presence else 0  # type: ignore[attr-defined]
        response = self.get_response(request)
        if is_signed_in or request.user.is_authenticated:
            # Neither a shared machine's Back button nor a proxy may show it again.
            response["Cache-Control"] = "no-store, private"
        if is_signed_in and not request.user.is_authenticated:
            # Signed out: what pages left in this browser goes, too. (Cookies stay: theme, known device.)
            response["Clear-Site-Data"] = '"storage"'
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        match = request.resolver_match
        if getattr(view, "desk_token_only", False):
            # Asks for a token of its own, and knows nothing of sessions: see apps.data_api.
            return None
        permission = declared_permission(view, match.url_name if match else None)
        if permission is not None:
            unmet = is_set_up(request, permission, match.url_name if match else None)
            return unmet if unmet is not None else refuse(request, permission, declared_within(view), kwargs)
        if view.__module__.startswith("allauth."):
            raise Http404("This page is closed on this desk.")
        logger.error("view %s.%s declares no permission", view.__module__, getattr(view, "__qualname__", view))
        raise PermissionDenied(UNDECLARED)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Turn a service's refusal into the page of the same meaning."""
        if isinstance(exception, NotAllowed):
            raise PermissionDenied(exception.text) from exception
        if isinstance(exception, NotFound):
            raise Http404(exception.text) from exception
