"""Sessions as people see them: where they are signed in, and ending one, all others, or everybody's of a person.

A session that ends here ends for its open sockets too: they ask `access.actor_for_session` every 5 s and for each
message (docs/realtime.md).
"""

import hashlib
import ipaddress
import logging
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import KnownDevice, Membership, SignIn, User
from apps.accounts.notices import notify
from apps.audit.services import record
from apps.core.errors import NotFound
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now

logger = logging.getLogger(__name__)

STARTED = "desk_signed_in_at"  # in the session: Unix seconds
DEVICE_COOKIE = "desk-device"
_DEVICE_YEAR_S = 365 * 24 * 3600
_SEEN_EVERY_S = 60.0
_SEEN_AT_MOST = 10_000
_ACTED_EVERY_S = 15.0
# Session key -> monotonic seconds of the last note by this process.
_noted: dict[str, float] = {}
_acts: dict[str, float] = {}
_by_key = Prepared(lambda session_key: SignIn.objects.filter(session_key=session_key))


# --- beginning --------------------------------------------------------------------------------------


def sign_in_started(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Note a new session, whatever began it (Django's signal user_logged_in)."""
    session = request.session
    now = utc_now()
    session[STARTED] = int(now.timestamp())
    if session.session_key is None:
        session.save()
    SignIn.objects.update_or_create(
        session_key=session.session_key,
        defaults={
            "user": user,
            "browser": request.META.get("HTTP_USER_AGENT", "")[:200],
            "address": _address(request.META.get("REMOTE_ADDR", "")),
            "started_at": now,
            "seen_at": now,
            "acted_at": now,
        },
    )


def person_signed_in(sender: object, request: HttpRequest, user: User, response: HttpResponse, **kwargs: Any) -> None:
    """Write it into the trail of the person's desks, and say when the browser is a new one (allauth's signal)."""
    given = request.COOKIES.get(DEVICE_COOKIE, "")
    secret = given if len(given) == 43 else secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    where = _where(request)
    with transaction.atomic():
        is_first = not KnownDevice.objects.filter(user=user).exists()
        _, is_new = KnownDevice.objects.get_or_create(user=user, digest=digest, defaults={"first_seen_at": utc_now()})
        if is_new and not is_first:
            notify([user.pk], "device.new", f"You signed in with a browser that was not used before: {where}.")
        record_everywhere(user, "accounts.session.started", {"where": where, "is_new_device": is_new})
    response.set_cookie(
        DEVICE_COOKIE, secret, max_age=_DEVICE_YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure()
    )


def person_signed_out(sender: object, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Django's signal user_logged_out, sent before the session is emptied."""
    if user is not None and request.session.session_key:
        SignIn.objects.filter(session_key=request.session.session_key).delete()


# --- lasting ----------------------------------------------------------------------------------------


def is_over(session: Mapping[str, Any], *, now: datetime | None = None) -> bool:
    """Is this session older than a sign-in may be? Working does not lengthen it (DESK_SESSION_HOURS)."""
    started = session.get(STARTED)
    if not isinstance(started, int):
        return False
    return int((now or utc_now()).timestamp()) - started >= settings.SESSION_COOKIE_AGE


def has_ended(session: SessionBase) -> bool:
    """Is it over, by its age or because nobody has acted?"""
    return is_over(session) or is_idle(session.session_key)


def is_idle(session_key: str | None) -> bool:
    """Has the person not acted for DESK_IDLE_MINUTES? An open page that only listens is no act."""
    left = idle_left(session_key)
    return left is not None and left <= 0


def idle_left(session_key: str | None) -> int | None:
    """Seconds until this session ends for want of acts; None where none does."""
    if not settings.SESSION_IDLE_S or not session_key:
        return None
    row = _by_key.first(session_key)
    if row is None:
        return None
    last = row.acted_at or row.started_at
    return int(last.timestamp()) + int(settings.SESSION_IDLE_S) - int(utc_now().timestamp())


def is_act(request: HttpRequest) -> bool:
    """Did a person ask for this, rather than a page of theirs by itself?"""
    if request.method not in ("GET", "HEAD"):
        return True
    # Browsers say how a page asks; programs that do not are taken at their word.
    return request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate" and "HX-Request" not in request.headers


def acted(user_id: int, session_key: str | None) -> None:
    """Note that the person did something, four times a minute and process."""
    if not settings.SESSION_IDLE_S or not session_key:
        return
    moment = time.monotonic()
    last = _acts.get(session_key)
    if last is not None and moment - last < _ACTED_EVERY_S:
        return
    if len(_acts) >= _SEEN_AT_MOST:
        _acts.clear()
    _acts[session_key] = moment
    SignIn.objects.filter(session_key=session_key, user_id=user_id).update(acted_at=utc_now())


def seen(user_id: int, session_key: str | None) -> None:
    """Note that a session is in use, once a minute and process. Never fails: it is a hint for people."""
    if not session_key:
        return
    moment = time.monotonic()
    last = _noted.get(session_key)
    if last is not None and moment - last < _SEEN_EVERY_S:
        return
    if len(_noted) >= _SEEN_AT_MOST:
        _noted.clear()
    _noted[session_key] = moment
    now = utc_now()
    try:
        with transaction.atomic():
            if not SignIn.objects.filter(session_key=session_key, user_id=user_id).update(seen_at=now):
                # A session from before this table, or one that a program began.
                SignIn.objects.create(user_id=user_id, session_key=session_key, started_at=now, seen_at=now)
    except DatabaseError:
        logger.warning("the use of a session could not be noted", exc_info=True)


def sign_ins_of(user_ids: list[int]) -> list[SignIn]:
    """The live sessions of people, the last used first."""
    rows = list(SignIn.objects.filter(user_id__in=user_ids).order_by("-seen_at", "-pk"))
    keys = [row.session_key for row in rows]
    live = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=utc_now()).values_list("session_key", flat=True)
    )
    return [row for row in rows if row.session_key in live]


# --- ending -----------------------------------------------------------------------------------------


def sign_in_end(user_id: int, sign_in_id: int) -> SignIn:
    """End one of a person's own sessions. Raises NotFound."""
    with transaction.atomic():
        row = SignIn.objects.filter(pk=sign_in_id, user_id=user_id).first()
        if row is None:
            raise NotFound("This session is over already, or it is not yours.")
        _end([row])
        record_everywhere(row.user, "accounts.session.ended", {"sessions": 1}, actor_id=user_id)
    return row


def sign_ins_end(user: User, *, keep: str = "", actor_id: int | None) -> int:
    """End all sessions of a person but the one with the key `keep`; returns how many there were."""
    with transaction.atomic():
        rows = list(SignIn.objects.filter(user=user).exclude(session_key=keep))
        _end(rows)
        if rows:
            record_everywhere(user, "accounts.session.ended", {"sessions": len(rows)}, actor_id=actor_id)
    return len(rows)


def _end(rows: list[SignIn]) -> None:
    Session.objects.filter(session_key__in=[row.session_key for row in rows]).delete()
    SignIn.objects.filter(pk__in=[row.pk for row in rows]).delete()


# --- words ------------------------------------------------------------------------------------------


def browser_words(agent: str) -> str:
    """Return what a browser calls itself, for people: "Firefox on Linux"."""
    names = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    )
    name = next((word for mark, word in names if mark in agent), "")
    system = next((word for mark, word in systems if mark in agent), "")
    if not name:
        return agent[:40].strip() or "Unknown program"
    return f"{name} on {system}" if system else name


def _where(request: HttpRequest) -> str:
    browser = browser_words(request.META.get("HTTP_USER_AGENT", "")[:200])
    return f"{browser}, {_address(request.META.get('REMOTE_ADDR', '')) or 'address unknown'}"


def _address(raw: str) -> str | None:
    try:
        return str(ipaddress.ip_address(raw))
    except ValueError:
        return None


def record_everywhere(user: User, action: str, data: Mapping[str, Any], *, actor_id: int | None = None) -> None:
    """A sign-in belongs to no desk: each desk of the person gets the entry."""
    for desk_id in Membership.objects.filter(user=user, is_active=True).values_list("desk_id", flat=True):
        record(action, actor_id=actor_id or user.pk, desk_id=desk_id, target=f"user:{user.pk}", data=data)
