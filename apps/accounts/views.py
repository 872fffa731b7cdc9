"""What people change about themselves: selection in the top bar, and how they see the desk."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import kept, services
from apps.accounts.forms import AccountSelectForm, DeskSelectForm, PreferencesForm
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.accounts.step_up import confirm_first, is_fresh
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission

THEME_COOKIE = "desk-theme"  # read before sign-in, and by the theme switch
_YEAR_SECONDS = 365 * 24 * 3600


@requires(Permission.MARKET_VIEW)
@require_POST
def account_select(request: HttpRequest) -> HttpResponse:
    """Choose the account and subaccount that the top bar shows, then go back."""
    form = AccountSelectForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest("Choose an account of the list, and one of its subaccounts.")
    actor: Actor = request.actor  # type: ignore[attr-defined]
    services.account_select(actor, request.session, **form.choice())
    return _back(request)


@requires(Permission.SELF)
@require_GET
def confirm_self(request: HttpRequest) -> HttpResponse:
    """Prove who is there, in a window beside the page that asks for it (static/js/frame/step-up.js)."""
    return render(request, "accounts/confirmed.html") if is_fresh(request) else confirm_first(request, "confirm_self")


@requires(Permission.SELF)
@require_POST
def desk_select(request: HttpRequest) -> HttpResponse:
    form = DeskSelectForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest("Choose a desk of the list.")
    services.desk_select(cast(User, request.user).pk, request.session, desk_id=form.cleaned_data["desk"])
    return _back(request)


@requires(Permission.SELF)
@require_GET
def preferences(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    return _preferences_page(request, PreferencesForm(instance=user))


@requires(Permission.SELF)
@require_POST
def preferences_update(request: HttpRequest) -> HttpResponse:
    """Save the form of the page, or, with `partial=1`, only the fields that were sent (204)."""
    # A form writes into its instance before it is known to be valid; the page still needs the person as stored.
    form = PreferencesForm(request.POST, instance=User.objects.get(pk=cast(User, request.user).pk))
    is_partial = request.POST.get("partial") == "1"
    if is_partial:
        form.only(set(request.POST))
    if not form.is_valid():
        if is_partial:
            return HttpResponseBadRequest("This is not one of the choices.")
        return _preferences_page(request, form, status=422)
    user = form.save()
    if is_partial:
        response = HttpResponse(status=204)
    else:
        messages.success(request, "Preferences saved.")
        response = redirect("preferences")
    # The cookie wins over the stored theme until it goes, so both say the same.
    response.set_cookie(THEME_COOKIE, user.theme, max_age=_YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    return response


@requires(Permission.MARKET_VIEW)
@require_POST
def kept_save(request: HttpRequest) -> HttpResponse:
    """Keep how the person likes a list (`key`, `value` as JSON; without value: forget it). Nobody else is affected."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    try:
        kept.preference_keep(actor, request.POST.get("key", ""), request.POST.get("value", ""))
    except DeskError as exc:
        return JsonResponse({"error": exc.text, "code": exc.code}, status=400)
    return HttpResponse(status=204)


def _preferences_page(request: HttpRequest, form: PreferencesForm, *, status: int = 200) -> HttpResponse:
    memberships = cast(User, request.user).memberships.filter(is_active=True).select_related("desk")
    context = {"current": "preferences", "form": form, "memberships": memberships}
    return render(request, "accounts/preferences.html", context, status=status)


def _back(request: HttpRequest) -> HttpResponse:
    """Return to where the person was, on this site only. A page of the old desk may be gone: home then."""
    where = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        where, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        where = "/"
    return redirect(where)
