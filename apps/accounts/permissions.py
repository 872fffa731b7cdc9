"""How views and tasks say which permission they need, and what happens without it."""

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.views import View

from apps.core.permissions import Actor, Permission, Within

logger = logging.getLogger(__name__)

_GUARD: Any = method_decorator  # its type hints know functions only
AnyView = TypeVar("AnyView", bound=Callable[..., Any])

NO_DESK = "You are signed in, but not a member of a desk. Ask an admin to add you."
NOT_ALLOWED = "Your roles on this desk do not allow this. Ask an admin of the desk."
NO_FACTOR = "Your desk wants a second factor of you first. Open the desk anew to set it up."
UNDECLARED = "This page does not say who may open it, so nobody may. Tell the people who run the desk."

# Pages of django-allauth, by URL name. What is not named here is closed: it answers 404.
ALLAUTH_PERMISSIONS: dict[str, Permission] = {
    "account_login": Permission.PUBLIC,
    "account_inactive": Permission.PUBLIC,
    "mfa_authenticate": Permission.PUBLIC,  # between password and second factor nobody is signed in yet
    "account_logout": Permission.SELF,
    "account_reauthenticate": Permission.SELF,
    "account_change_password": Permission.SELF,
    "mfa_index": Permission.SELF,
    "mfa_reauthenticate": Permission.SELF,
    "mfa_activate_totp": Permission.SELF,
    "mfa_deactivate_totp": Permission.SELF,
    "mfa_view_recovery_codes": Permission.SELF,
    "mfa_generate_recovery_codes": Permission.SELF,
    "mfa_download_recovery_codes": Permission.SELF,
}

# All that a person may open whose desk wants more of them than they have (apps.accounts.factor_policy).
SETUP_URLS = frozenset(
    {
        "factor_setup",
        "passkey_confirm",
        "desk_select",
        "account_logout",
        "account_reauthenticate",
        "mfa_reauthenticate",
        "mfa_activate_totp",
        "passkey_add",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
    }
)


def requires(permission: Permission, within: Within = Within.DESK) -> Callable[[AnyView], AnyView]:
    """Declare and enforce what a view (function or class) asks for. The outermost decorator.

    Nobody signed in: to the sign-in page and back. Signed in without the permission: 403, in words.

    within: ACCOUNT or SUBACCOUNT for a view that a grant on less than the desk opens, too (`may_open`).
    """

    def decorate(view: AnyView) -> AnyView:
        if isinstance(view, type) and issubclass(view, View):
            # as_view() copies the attributes of dispatch to the function that URLs hold.
            return cast(AnyView, _GUARD(requires(permission, within), name="dispatch")(view))

        function: Callable[..., Any] = view

        @wraps(function)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refusal = refuse(request, permission, within, kwargs)
            return refusal if refusal is not None else function(request, *args, **kwargs)

        guarded.desk_permission = permission  # type: ignore[attr-defined]
        guarded.desk_within = within  # type: ignore[attr-defined]
        return cast(AnyView, guarded)

    return decorate


def task_permission(permission: Permission) -> Callable[[AnyView], AnyView]:
    """Declare whose right a Celery task acts with; SYSTEM for syncs and sweeps. Under `@shared_task`.

    A task that acts for a person asks for the person's permission again in its service.
    """

    def decorate(task: AnyView) -> AnyView:
        task.desk_permission = permission  # type: ignore[attr-defined]
        return task

    return decorate


def declared_permission(view: Callable[..., Any], url_name: str | None) -> Permission | None:
    """Return what a resolved view asks for, or None when it is closed or never said."""
    if view.__module__.startswith("allauth."):
        return ALLAUTH_PERMISSIONS.get(url_name or "")
    return getattr(view, "desk_permission", None)


def declared_within(view: Callable[..., Any]) -> Within:
    """Return what of a desk a resolved view keeps to; the whole of it when it never said."""
    within = getattr(view, "desk_within", Within.DESK)
    return within if isinstance(within, Within) else Within.DESK


def may_open(actor: Actor, permission: Permission, within: Within, *, account_id: int | None = None) -> bool:
    """Whether the actor may go to what asks for `permission` within a desk, an account or a subaccount.

    account_id: the account that it names; None: the one that is selected. What is within a subaccount is open to who
    may somewhere, and asks again where.
    """
    if actor.may(permission):
        return True
    if within is Within.ACCOUNT:
        named = actor.account_id if account_id is None else account_id
        return named is not None and actor.may_on(permission, named, None)
    return within is Within.SUBACCOUNT and bool(actor.reach(permission))


def refuse(
    request: HttpRequest,
    permission: Permission,
    within: Within = Within.DESK,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> HttpResponse | None:
    """Return None when the request may go on, or the way to the sign-in page.

    Raises:
        PermissionDenied: signed in, but not allowed (a 403 page with its text).
    """
    if permission is Permission.PUBLIC:
        return None
    if not request.user.is_authenticated:
        return _sign_in(request)
    if permission is Permission.SELF:
        return None
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        raise PermissionDenied(NO_DESK)
    if not may_open(actor, permission, within, account_id=arguments.get("account_id")):
        logger.warning("refused: user %s lacks %s for %s", actor.user_id, permission, request.resolver_match)
        raise PermissionDenied(NOT_ALLOWED)
    return None


def is_set_up(request: HttpRequest, permission: Permission, url_name: str | None) -> HttpResponse | None:
    """Return None when the person has the second factor that their desk wants, or the way to set one up.

    Raises:
        PermissionDenied: for what is not a page to look at.
    """
    if not getattr(request, "factor_need", "") or permission is Permission.PUBLIC or url_name in SETUP_URLS:
        return None
    if "HX-Request" in request.headers:
        return HttpResponse(status=401, headers={"HX-Redirect": resolve_url("factor_setup")})
    if request.method == "GET":
        return HttpResponseRedirect(resolve_url("factor_setup"))
    raise PermissionDenied(NO_FACTOR)


def _sign_in(request: HttpRequest) -> HttpResponse:
    # After a refused POST the way back is a plain GET, so only pages are worth returning to.
    back = request.get_full_path() if request.method == "GET" and "HX-Request" not in request.headers else "/"
    url = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}"
    if "HX-Request" in request.headers:
        # A redirect would put the sign-in page into a fragment of this one.
        return HttpResponse(status=401, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
