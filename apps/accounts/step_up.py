"""Sensitive acts ask again who is there, unless the person proved it in the last five minutes."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.accounts.models import User

AnyView = TypeVar("AnyView", bound=Callable[..., Any])


def is_fresh(request: HttpRequest) -> bool:
    """Did this session prove its person within the last five minutes: at sign-in, or when asked again?

    Where the person has a second factor, by that: a password alone proves nothing of them any more.
    """
    user_id = cast(User, request.user).pk
    return is_proven(user_id, proofs_of(user_id, request.session))


def is_proven(user_id: int, proofs: Iterable[tuple[str, float]]) -> bool:
    """`is_fresh` of what a session holds. Asks the database where there is a proof that is young enough."""
    now = time.time()
    fresh = {method for method, at in proofs if 0 <= now - at < app_settings.REAUTHENTICATION_TIMEOUT}
    if not fresh:
        return False
    return "mfa" in fresh or not Authenticator.objects.filter(user_id=user_id).exists()


def proofs_of(user_id: int, session: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return how and when (Unix s) a session proved this person, as the sign-in library keeps it."""
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY)
    if session.get(_AUTHENTICATION_METHODS_USER_SESSION_KEY) != str(user_id) or not isinstance(records, list):
        return ()
    return tuple((str(one["method"]), float(one["at"])) for one in records)


def steps_up(back: str) -> Callable[[AnyView], AnyView]:
    """Ask for the password or a second factor first. Under `requires`.

    back: name of the page, without arguments, that a POST is sent back to afterwards. What was posted is not kept: it
    may be a secret, and a page that acts by itself after a detour would surprise.
    """

    def decorate(view: AnyView) -> AnyView:
        function: Callable[..., Any] = view

        @wraps(function)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return function(request, *args, **kwargs) if is_fresh(request) else confirm_first(request, back)

        return cast(AnyView, asked)

    return decorate


def confirm_first(request: HttpRequest, back: str) -> HttpResponse:
    """Send the person to prove who they are, and then to where they were."""
    where = request.get_full_path() if request.method == "GET" else reverse(back)
    if request.method != "GET":
        messages.info(request, "You were asked who you are first. Please do it again now.")
    ways = get_adapter().get_reauthentication_methods(request.user)
    if not ways:
        raise PermissionDenied("There is nothing that you could prove who you are with. Ask an admin of the desk.")
    return HttpResponseRedirect(f"{ways[0]['url']}?{urlencode({'next': where})}")
