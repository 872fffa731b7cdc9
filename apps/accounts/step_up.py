"""Sensitive acts ask again who is there, unless the person proved it in the last five minutes."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.accounts.models import User

AnyView = TypeVar("AnyView", bound=Callable[..., Any])


def is_fresh(request: HttpRequest) -> bool:
    """Did this session prove its person within the last five minutes: at sign-in, or when asked again?"""
    records = get_authentication_records(request, cast(User, request.user))
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
    ask = "mfa_reauthenticate" if is_mfa_enabled(cast(User, request.user)) else "account_reauthenticate"
    return HttpResponseRedirect(f"{reverse(ask)}?{urlencode({'next': where})}")
