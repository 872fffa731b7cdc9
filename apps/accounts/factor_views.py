"""Passkeys that a person has, setting up what their desk wants of them, and what the desk wants."""

from typing import Any, cast

from allauth.mfa.base.internal.flows import delete_and_cleanup
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.views import AddWebAuthnView, LoginWebAuthnView, ReauthenticateWebAuthnView
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import factor_policy, four_eyes, passkeys, tries
from apps.accounts.approval_views import ASKED
from apps.accounts.factor_policy import Need
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.accounts.sign_ins import record_everywhere
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission

LAST_ONE = "Your desk wants a second factor of you, and this is the last. Add another one first."


@requires(Permission.SELF)
@steps_up("mfa_index")
@require_http_methods(["GET", "POST"])
def passkey_rename(request: HttpRequest, passkey_id: int) -> HttpResponse:
    passkey = _own(request, passkey_id)
    fault = ""
    name = request.POST.get("name", passkey.wrap().name)
    if request.method == "POST":
        try:
            name = passkeys.name_check(name)
            passkeys.passkey_rename(passkey, name)
        except DeskError as exc:
            fault = exc.text
        else:
            record_everywhere(cast(User, request.user), "accounts.factor.renamed", {"factor": "passkey", "name": name})
            messages.success(request, "The passkey has its new name.")
            return redirect("mfa_index")
    context = {"passkey": passkeys.passkey_row(passkey), "name": name, "fault": fault}
    return render(request, "accounts/passkey_rename.html", context, status=422 if fault else 200)


@requires(Permission.SELF)
@steps_up("mfa_index")
@require_http_methods(["GET", "POST"])
def passkey_remove(request: HttpRequest, passkey_id: int) -> HttpResponse:
    passkey = _own(request, passkey_id)
    may_go = factor_policy.may_remove(passkey)
    if request.method == "POST" and may_go:
        delete_and_cleanup(request, passkey)
        messages.success(request, "The passkey opens nothing here any more. Delete it in your browser or phone, too.")
        return redirect("mfa_index")
    context = {"passkey": passkeys.passkey_row(passkey), "fault": "" if may_go else LAST_ONE}
    return render(request, "accounts/passkey_remove.html", context, status=200 if may_go else 422)


class _SaysWhy:
    """The sign-in library forgets why a passkey was refused: its pages lose the form, or go elsewhere."""

    def form_invalid(self, form: Any) -> HttpResponse:
        view = cast(Any, self)
        context = view.get_context_data() | {"form": form}
        return render(view.request, view.template_name, context, status=422)


@requires(Permission.SELF)
class PasskeyAdd(_SaysWhy, AddWebAuthnView):  # type: ignore[misc] # allauth carries no types
    pass


@requires(Permission.SELF)
class PasskeyConfirm(_SaysWhy, ReauthenticateWebAuthnView):  # type: ignore[misc] # allauth carries no types
    pass


@requires(Permission.PUBLIC)
class PasskeySignIn(LoginWebAuthnView):  # type: ignore[misc] # allauth carries no types
    """Each challenge is kept in a session of somebody who is not signed in, so an address gets only so many."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "application/json" in request.headers.get("Accept", "") and not tries.challenge_may_be_had(request):
            return HttpResponse("Too many tries. Wait a minute.", status=429, content_type="text/plain")
        answer: HttpResponse = super().get(request, *args, **kwargs)
        return answer


@requires(Permission.SELF)
@require_safe
def factor_setup(request: DeskRequest) -> HttpResponse:
    """Where a person is led whose desk wants more than they have. Nothing else opens until then."""
    need = request.factor_need
    if need is Need.NOTHING:
        return redirect("/")
    context = {
        "need": need.value,
        "desk_name": request.factor_desk,
        "is_here": passkeys.is_here(request),
        "origins": passkeys.origins(),
        "has_code": Authenticator.objects.filter(user=cast(User, request.user)).exists(),
    }
    return render(request, "accounts/factor_setup.html", context)


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def factor_policy_save(request: DeskRequest) -> HttpResponse:
    wanted, wants_passkeys = request.POST.get("wanted", ""), request.POST.get("passkeys") == "1"
    try:
        waits = four_eyes.asking(
            request.actor,
            lambda: factor_policy.policy_set(request.actor, request.desk, wanted=wanted, passkeys=wants_passkeys),
        )
    except NotAllowed:
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, ASKED if waits else "Saved. It counts from everybody's next click.")
    return redirect("team")


def _own(request: HttpRequest, passkey_id: int) -> Authenticator:
    passkey = passkeys.passkeys_of(cast(User, request.user)).filter(pk=passkey_id).first()
    if passkey is None:
        raise NotFound("This passkey does not exist, or it is not yours.")
    return passkey
