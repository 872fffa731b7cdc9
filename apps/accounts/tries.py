"""How often somebody may try to prove who they are, counted in the database: emptying the cache starts nothing anew.

By login name and by address, so that neither one person nor many are guessed at quickly. A browser that the person has
signed in with before counts by itself: whoever fails elsewhere in their name, or behind the same proxy, does not keep
them out. A refused try is not judged at all, so it costs no hash; it is the same for names that exist and those that
do not.
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.encoding import force_bytes

from apps.accounts.models import KnownDevice, SignInTry, User
from apps.accounts.sign_ins import DEVICE_COOKIE
from apps.core.timestamps import utc_now

_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    tries: int
    seconds: int


BY_NAME = Limit(5, 300)
BY_DEVICE = Limit(10, 300)  # of one person in one browser that they know
BY_ADDRESS = Limit(10, 60)
BY_CHALLENGE = Limit(30, 60)  # of one address, for sign-ins with a passkey
BY_FACTOR = Limit(5, 300)  # codes of one person, who has given the right password


def sign_in_may_try(request: HttpRequest, username: str) -> bool:
    """Count a try at a password; False when there were too many."""
    name = username.strip().lower()
    device = _known_device(request, name)
    if device:
        return _count({f"device:{name}:{device}": BY_DEVICE})
    return _count({f"name:{name}": BY_NAME, f"address:{_network(request)}": BY_ADDRESS})


def sign_in_done(request: HttpRequest, username: str) -> None:
    """A right password takes its own try back; those of others stay."""
    name = username.strip().lower()
    device = _known_device(request, name)
    _take_back([f"device:{name}:{device}"] if device else [f"name:{name}", f"address:{_network(request)}"])


def challenge_may_be_had(request: HttpRequest) -> bool:
    return _count({f"challenge:{_network(request)}": BY_CHALLENGE})


def factor_may_try(user: User) -> bool:
    """Count a try at a code; False when there were too many."""
    return _count({f"factor:{user.pk}": BY_FACTOR})


def factor_is_full(user: User) -> bool:
    return _is_full({f"factor:{user.pk}": BY_FACTOR}, int(utc_now().timestamp()))


def factor_done(user: User) -> None:
    SignInTry.objects.filter(key=_key(f"factor:{user.pk}")).delete()


def _count(limits: dict[str, Limit]) -> bool:
    """Count one try in each, or in none of them when one is full."""
    now = utc_now()
    moment = int(now.timestamp())
    if _is_full(limits, moment):
        return False  # a flood reads, it locks nothing
    with transaction.atomic():
        SignInTry.objects.filter(last_at__lt=now - _KEPT).delete()
        rows = []
        # In the order of their keys, so that two requests never wait for each other.
        for name, limit in sorted(limits.items(), key=lambda item: _key(item[0])):
            row, _ = SignInTry.objects.select_for_update().get_or_create(key=_key(name), defaults={"last_at": now})
            row.times = _recent(row, limit, moment)
            if len(row.times) >= limit.tries:
                return False
            rows.append(row)
        for row in rows:
            row.times, row.last_at = [*row.times, moment], now
            row.save(update_fields=["times", "last_at"])
    return True


def _is_full(limits: dict[str, Limit], moment: int) -> bool:
    by_key = {_key(name): limit for name, limit in limits.items()}
    rows = SignInTry.objects.filter(key__in=by_key)
    return any(len(_recent(row, by_key[row.key], moment)) >= by_key[row.key].tries for row in rows)


def _recent(row: SignInTry, limit: Limit, moment: int) -> list[int]:
    return [at for at in row.times if moment - limit.seconds < at <= moment]


def _take_back(names: list[str]) -> None:
    with transaction.atomic():
        for key in sorted(map(_key, names)):
            row = SignInTry.objects.select_for_update().filter(key=key).first()
            if row is not None and row.times:
                row.times = row.times[:-1]
                row.save(update_fields=["times"])


def _known_device(request: HttpRequest, name: str) -> str:
    """The digest of this browser's cookie when the person with that name has signed in with it; else nothing."""
    secret = request.COOKIES.get(DEVICE_COOKIE, "")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    found = KnownDevice.objects.filter(user__username__iexact=name, digest=digest).exists()
    return digest if found and len(secret) == 43 else ""


def _network(request: HttpRequest) -> str:
    """The address, or the network of 64 bits that one subscriber has; what a client claims in headers is not asked."""
    raw = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(raw)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _key(name: str) -> str:
    """Names and addresses are not readable in the table."""
    return hmac.new(force_bytes(settings.SECRET_KEY), f"tries:{name}".encode(), hashlib.sha256).hexdigest()
