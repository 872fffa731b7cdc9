"""Settings > Sessions: where one is signed in, ending it there, and what happened to one's sign-in."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import notices, sign_ins
from apps.accounts.models import SignIn, User
from apps.accounts.permissions import requires
from apps.core.permissions import Permission


@requires(Permission.SELF)
@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    here = request.session.session_key
    rows = [session_row(row, here=here) for row in sign_ins.sign_ins_of([user.pk])]
    context = {
        "current": "sessions",
        "rows": sorted(rows, key=lambda row: not row["is_here"]),
        "notices": notices.notices_of(user.pk),
        "has_unread": user.notices.filter(is_read=False).exists(),
    }
    return render(request, "accounts/sessions.html", context)


@requires(Permission.SELF)
@require_POST
def session_end(request: HttpRequest, sign_in_id: int) -> HttpResponse:
    row = sign_ins.sign_in_end(cast(User, request.user).pk, sign_in_id)
    messages.success(request, f"The session in {sign_ins.browser_words(row.browser)} is over.")
    return redirect("sessions")


@requires(Permission.SELF)
@require_POST
def sessions_end_others(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    count = sign_ins.sign_ins_end(user, keep=request.session.session_key or "", actor_id=user.pk)
    messages.success(request, f"{count} other session{'' if count == 1 else 's'} ended.")
    return redirect("sessions")


@requires(Permission.SELF)
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    notices.notices_read(cast(User, request.user).pk)
    return redirect("sessions")


def session_row(row: SignIn, *, here: str | None = None) -> dict[str, Any]:
    """A session as a page shows it; its key stays out."""
    return {
        "id": row.pk,
        "browser": sign_ins.browser_words(row.browser),
        "address": row.address or "-",
        "started_at": row.started_at,
        "seen_at": row.seen_at,
        "is_here": row.session_key == here,
    }
