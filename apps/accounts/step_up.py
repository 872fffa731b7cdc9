"""Sensitive acts ask again who is there, unless the person proved it in the last five minutes."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
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
    user = cast(User, request.user)
    records = get_authentication_records(request, user)
    if Authenticator.objects.filter(user=user).exists():
        records = [record for record in records if record["method"] == "mfa"]
    newest = max((record["at"] for record in records), default=0)
    age = time.time() - newest
    return bool(0 <= age < app_settings.REAUTHENTICATION_TIMEOUT)


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
