"""What the exchange says to everybody: a line over every page, and a page with hours, maintenance and all of it."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import kept
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.exchange import hours, news
from apps.exchange.news import Notice


@dataclass(frozen=True, slots=True)
class Shown:
    """lines: what stands over the actor's pages. known: names of all there is now, also of what they put away."""

    lines: list[Notice]
    known: list[str]


def notices_for(actor: Actor, environment: str) -> Shown:
    found = news.notices(environment)
    known = [one.key for one in found if one.key]
    put_away = kept.put_away_by(actor) if known else set()
    return Shown([one for one in found if one.key not in put_away], known)


@dataclass(frozen=True, slots=True)
class _Planned:
    start: str
    end: str
    is_now: bool


@requires(Permission.MARKET_VIEW)
@require_safe
def exchange(request: DeskRequest) -> HttpResponse:
    """Hours, maintenance and announcements of the selected account's environment."""
    environment = request.account.environment if request.account else ""
    if not environment:
        return render(request, "web/exchange.html", {"environment": ""})
    now = utc_now()
    schedule = news.schedule_of(environment)
    weeks = [] if schedule is None else hours.weeks_of(schedule)
    windows = [] if schedule is None else hours.windows_of(schedule)
    context = {
        "environment": environment,
        "hours": "" if schedule is None else hours.hours_words(hours.hours_at(weeks, now), now=now),
        "week": hours.week_words(weeks, now),
        "windows": [
            _Planned(hours.moment_words(one.start, now=now), hours.moment_words(one.end, now=now), one.start <= now)
            for one in windows
            if one.end > now
        ],
        "announcements": news.announcements_of(environment),
        "read_at": news.schedule_read_at(environment),
    }
    return render(request, "web/exchange.html", context)


@requires(Permission.MARKET_VIEW)
@require_POST
def announcement_put_away(request: HttpRequest) -> HttpResponse:
    """Show the person this announcement (`key`) no more. Nobody else is affected."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    try:
        kept.put_away(actor, request.POST.get("key", ""))
    except DeskError as exc:
        return JsonResponse({"error": exc.text, "code": exc.code}, status=400)
    return HttpResponse(status=204)
