"""What base.html and entrance.html need on every page, in one template variable: `frame`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from apps.accounts.access import accounts_seen, subaccounts_seen
from apps.accounts.models import User
from apps.accounts.permissions import declared_permission, declared_within, may_open
from apps.core.permissions import MASKED_VIEWER, Actor, Permission
from apps.core.timestamps import unix_ms_now
from apps.monitoring.selectors import kill_state_of
from apps.portfolio.models import Balance
from apps.web.news import notices_for


@dataclass(frozen=True, slots=True)
class Page:
    """An entry of the left rail; shown once its URL exists and the person may open it."""

    url: str
    label: str
    icon: str
    group: int = 1


_HISTORY, _TEAM = "/history/", "/team/"
# Of who sees a part of the desk, this page of them is open where their first page is not.
_OPEN_IN_PART = {_HISTORY: "history_search", _TEAM: "approvals"}
PAGES = (
    Page("/overview/", "Overview", "layout-dashboard"),
    Page("/markets/", "Markets", "chart-candlestick"),
    Page("/orders/", "Orders", "list-ordered"),
    Page("/rfq/", "RFQ desk", "messages-square"),
    Page("/portfolio/", "Portfolio", "wallet"),
    Page(_HISTORY, "History", "history"),
    Page("/fix/", "FIX", "cable"),
    Page("/monitor/", "Monitor", "monitor", group=2),
    Page(_TEAM, "Team", "users", group=2),
    Page("/settings/vault/", "Settings", "settings", group=2),
)


def frame(request: HttpRequest) -> dict[str, object]:
    """Template context processor. Queries the database only for signed-in people."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        theme = request.COOKIES.get("desk-theme", "")
        return {
            "frame": {
                "theme": theme if theme in User.Theme.values else User.Theme.DARK.value,
                "palette": "standard",
                "is_demo": settings.DESK_MODE == "demo",
                "logins_file": _logins_file(),
            }
        }
    return {"frame": _signed_in(request, cast(User, user))}


def _logins_file() -> str:
    """Name the file of the demo logins. Who is not signed in learns nothing of the machine's folders."""
    is_usual = settings.DATA_DIR == settings.BASE_DIR / "var"
    return "var/demo-logins.json" if is_usual else "$DESK_DATA/demo-logins.json"


def _signed_in(request: HttpRequest, user: User) -> dict[str, object]:
    actor: Actor | None = getattr(request, "actor", None)
    account = getattr(request, "account", None)
    subaccount: int = getattr(request, "subaccount", 0)
    theme = request.COOKIES.get("desk-theme", "")
    name = user.display_name or user.get_username()
    pages = list(_pages(actor, request.path))
    shown = notices_for(actor, account.environment) if actor and account else None
    values: dict[str, Any] = {
        "theme": theme if theme in User.Theme.values else user.theme,
        "palette": "blue-orange" if user.is_colour_blind_palette else "standard",
        "environment": account.environment if account else "",
        "desk": getattr(getattr(request, "desk", None), "name", ""),
        "account": account,
        "subaccount": subaccount,
        "kill": kill_state_of(actor) if actor else None,
        "notices": shown.lines if shown else [],
        "accounts": _accounts(actor, subaccount) if actor else [],
        "person": {
            "name": name,
            "initials": _initials(name),
            "roles": _roles(actor) if actor else "",
        },
        "pages": pages,
        "urls": {
            "account_select": _url("account_select"),
            "preferences": _url("preferences"),
            "security": _url("mfa_index"),
        },
    }
    values["data"] = {
        "environment": values["environment"],
        "account": account.pk if account else None,
        "subaccount": subaccount,
        "price_format": user.price_format,
        "time_zone": user.time_zone,
        "permissions": sorted(
            one.value for one in Permission if actor and actor.may_on(one, actor.account_id, subaccount)
        ),
        "sees_desk": bool(actor and actor.may(Permission.DESK_VIEW)),
        "sees_account": bool(actor and actor.may_on(Permission.DESK_VIEW, actor.account_id, None)),
        "pages": [{"url": page["url"], "label": page["label"]} for page in pages],
        "news_seen": shown.known if shown else [],
        "now_ms": unix_ms_now(),
        "idle_s": settings.SESSION_IDLE_S,
    }
    return values


def _roles(actor: Actor) -> str:
    """What the person is where they stand: on the desk, and on what is selected."""
    here = {one.role for one in actor.grants if one.account_id == actor.account_id}
    desk = actor.roles - {MASKED_VIEWER} if here else actor.roles
    return ", ".join([*sorted(desk), *(f"{role} here" for role in sorted(here - desk))]).replace(
        MASKED_VIEWER, "viewer, no amounts"
    )


def _pages(actor: Actor | None, path: str) -> Iterable[dict[str, object]]:
    group: int | None = None
    for page in PAGES:
        try:
            match = resolve(page.url)
        except Resolver404:
            continue
        permission = declared_permission(match.func, match.url_name)
        url = page.url
        if actor is None or permission is None:
            continue
        if not may_open(actor, permission, declared_within(match.func)):
            if page.url not in _OPEN_IN_PART or not actor.reach(permission):
                continue
            url = reverse(_OPEN_IN_PART[page.url])
        yield {
            "url": url,
            "label": page.label,
            "icon": page.icon,
            "has_rule_before": group is not None and page.group != group,
            "is_current": path.startswith(page.url),
        }
        group = page.group


def _accounts(actor: Actor, selected: int) -> list[dict[str, object]]:
    """The accounts that the person may see, with the subaccounts of them that the exchange has reported (0 always)."""
    accounts = list(accounts_seen(actor))
    known: dict[int, set[int]] = {account.pk: {0} for account in accounts}
    for account_id, number in Balance.objects.filter(account__in=accounts).values_list("account_id", "subaccount"):
        known[account_id].add(number)
    if actor.account_id in known:
        known[actor.account_id].add(selected)
    for account_id in known:
        theirs = subaccounts_seen(actor, account_id)
        if theirs is not None:
            known[account_id] = set(theirs)
    return [
        {
            "id": account.pk,
            "name": account.name,
            "environment": account.environment,
            "subaccounts": sorted(known[account.pk]),
        }
        for account in accounts
    ]


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _initials(name: str) -> str:
    words = [word for word in name.replace("-", " ").replace(".", " ").split() if word]
    return "".join(word[0] for word in words[:2]).upper()
