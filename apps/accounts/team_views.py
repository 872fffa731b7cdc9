"""Team: the people of the desk, invitations, and one person's page."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import factor_policy, four_eyes, invitations, services, sign_ins, team
from apps.accounts.access import accounts_visible
from apps.accounts.approval_views import ASKED
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.accounts.session_views import session_row
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import GRANTABLE, Permission, Role

ROLE_WORDS = {
    Role.VIEWER: "sees, never touches",
    Role.ANALYST: "sees and exports",
    Role.TRADER: "places and cancels orders",
    Role.QUOTER: "asks for quotes, quotes and confirms",
    Role.LEAD: "limits, rules, approvals, release of the kill switch",
    Role.OPERATOR: "starts and stops FIX sessions",
    Role.VAULT_ADMIN: "adds and revokes keys",
    Role.AUDITOR: "sees everything and the trail",
    Role.ADMIN: "people and roles",
}


class InvitationForm(forms.Form):
    display_name = forms.CharField(label="Name", max_length=80)
    email = forms.EmailField(label="E-mail", required=False, help_text="The link is mailed where mail is set up.")
    roles = forms.MultipleChoiceField(choices=[(role.value, role.value) for role in Role])


@requires(Permission.DESK_VIEW)
@require_safe
def team_page(request: DeskRequest) -> HttpResponse:
    return _page(request)


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
@sensitive_variables("made")
def invitation_create(request: DeskRequest) -> HttpResponse:
    """Make an invitation and show its link, this once."""
    form = InvitationForm(request.POST)
    if form.is_valid():
        try:
            made = invitations.invitation_create(request.desk, actor=request.actor, **form.cleaned_data)
        except NotAllowed:
            raise
        except DeskError as exc:
            form.add_error(None, exc.text)
        else:
            # After "#": browsers send that part to nobody, so no log and no proxy has it.
            link = f"{request.build_absolute_uri(reverse('join'))}#{made.secret}"
            is_mailed = invitations.invitation_mail(made, link)
            return _page(request, made=made.row, link=link, is_mailed=is_mailed)
    return _page(request, form=form, status=422)


@requires(Permission.PEOPLE_MANAGE)
@require_POST
def invitation_revoke(request: DeskRequest) -> HttpResponse:
    raw = request.POST.get("invitation", "")
    if not raw.isdecimal() or len(raw) > 15:
        raise NotFound
    invitations.invitation_revoke(request.actor, int(raw))
    messages.success(request, "The invitation opens nothing any more.")
    return redirect("team")


@requires(Permission.PEOPLE_MANAGE)
@require_safe
def person_page(request: DeskRequest, user_id: int) -> HttpResponse:
    return _person(request, user_id)


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def person_roles(request: DeskRequest, user_id: int) -> HttpResponse:
    team.person_get(request.actor, user_id)
    try:
        roles = request.POST.getlist("roles")
        waits = four_eyes.asking(
            request.actor,
            lambda: services.roles_set(request.desk, user_id=user_id, roles=roles, actor=request.actor),
        )
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        return _person(request, user_id, fault=exc.text, status=422)
    done = "The roles count from their next click; open pages follow within 5 s."
    messages.success(request, ASKED if waits else done)
    return redirect("person", user_id=user_id)


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def person_suspend(request: DeskRequest, user_id: int) -> HttpResponse:
    try:
        left, cancelled = team.person_suspend(
            request.actor, user_id, cancel_orders=request.POST.get("cancel_orders") == "1"
        )
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        return _person(request, user_id, fault=exc.text, status=422)
    told = f" {cancelled} cancels are on their way." if cancelled else " The leads were told." if left else ""
    messages.success(request, f"Suspended: sessions and open pages end within 5 s.{told}")
    return redirect("person", user_id=user_id)


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def person_resume(request: DeskRequest, user_id: int) -> HttpResponse:
    services.membership_set_active(request.desk, user_id=user_id, is_active=True, actor=request.actor)
    messages.success(request, "They may sign in again, with the roles they had.")
    return redirect("person", user_id=user_id)


@requires(Permission.PEOPLE_MANAGE)
@require_POST
def person_sign_out(request: DeskRequest, user_id: int) -> HttpResponse:
    count = team.person_sign_out(request.actor, user_id)
    messages.success(request, f"{count} session{'' if count == 1 else 's'} ended.")
    return redirect("person", user_id=user_id)


@requires(Permission.PUBLIC)
@sensitive_post_parameters("token", "password", "password_again")
@sensitive_variables()
@require_http_methods(["GET", "POST"])
def join(request: DeskRequest) -> HttpResponse:
    """Accept an invitation. Its token comes in the form: static/js/team/join.js takes it from behind the "#"."""
    if request.method == "GET":
        return render(request, "team/join.html", {"typed": {}, "faults": {}})
    typed = {name: request.POST.get(name, "")[:300] for name in ("token", "username", "password", "password_again")}
    faults: dict[str, str] = {}
    if typed["password"] != typed["password_again"]:
        faults = {"password_again": "The two are not the same."}
    else:
        try:
            invitations.invitation_accept(
                typed["token"].strip(), username=typed["username"].strip(), password=typed["password"]
            )
        except DeskError as exc:
            faults = exc.fields or {"token": exc.text}
        else:
            messages.success(request, "Welcome. Sign in now, then set up a second factor in Settings.")
            return redirect("account_login")
    kept = {"token": typed["token"], "username": typed["username"]}
    response = render(request, "team/join.html", {"typed": kept, "faults": faults}, status=422)
    response["Cache-Control"] = "no-store, private"
    return response


def _page(
    request: DeskRequest,
    *,
    form: InvitationForm | None = None,
    made: Any = None,
    link: str = "",
    is_mailed: bool = False,
    status: int = 200,
) -> HttpResponse:
    manages = request.actor.may(Permission.PEOPLE_MANAGE)
    chosen = form.data.getlist("roles") if form is not None else [Role.VIEWER.value]  # type: ignore[attr-defined]
    context = {
        "section": "people",
        "people": team.people_listed(request.actor),
        "manages": manages,
        "sees_sign_in": manages or request.actor.may(Permission.AUDIT_VIEW),
        "form": form or InvitationForm(),
        "roles": [(role.value, words, role.value in chosen) for role, words in ROLE_WORDS.items()],
        "open_invitations": list(invitations.open_invitations(request.desk.pk)) if manages else [],
        "policy": {
            "choices": factor_policy.Wanted.choices,
            "wanted": factor_policy.wanted_of(request.desk),
            "label": factor_policy.Wanted(factor_policy.wanted_of(request.desk)).label,
            "passkeys": request.desk.wants_passkeys,
        },
        "made": made,
        "link": link,
        "is_mailed": is_mailed,
    }
    return render(request, "team/people.html", context, status=status)


def _person(request: DeskRequest, user_id: int, *, fault: str = "", status: int = 200) -> HttpResponse:
    membership = team.person_get(request.actor, user_id)
    row = next(one for one in team.people_listed(request.actor) if one["id"] == user_id)
    context = {
        "section": "people",
        "person": row,
        "fault": fault,
        "is_self": user_id == request.actor.user_id,
        "roles": [(role.value, words, role.value in membership.roles) for role, words in ROLE_WORDS.items()],
        "grantable": GRANTABLE,
        "desk_accounts": accounts_visible(request.actor),
        "sessions": [session_row(one) for one in sign_ins.sign_ins_of([user_id])],
        "work": team.work_of(request.desk.pk, user_id),
        "may_cancel": request.actor.may(Permission.ORDER_CANCEL),
    }
    return render(request, "team/person.html", context, status=status)
