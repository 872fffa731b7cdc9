"""Exchange clients by account and by environment, one of each per process.

Only the worker and the gateway can open keys, so only they may call `client_for`;
`environment_client` carries no key and works everywhere, for public endpoints.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from django.db.models import QuerySet
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.accounts.models import ExchangeAccount
from apps.core import durability, ports
from apps.core.errors import NotFound
from apps.core.prepared import Prepared, PreparedColumns
from apps.exchange import hosts
from apps.exchange.models import AccountLimits
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.limits import Budget
from apps.exchange.wire.shared_limits import SharedLimiter
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for

logger = logging.getLogger(__name__)

# Source: docs:rate_limits, tier Basic, the lowest. Used until GET /account/limits has answered.
BASIC_READ = Budget(rate=200, capacity=200)
BASIC_WRITE = Budget(rate=100, capacity=100)

REST_PURPOSES = (ApiKey.Purpose.REST_TRADE, ApiKey.Purpose.REST_READ)

_accounts = Prepared(lambda account_id: ExchangeAccount.objects.filter(pk=account_id, is_active=True))
# Columns, not rows: those that stand behind the sealed key take five times as long to reach.
_keys = PreparedColumns(
    lambda account_id: _live_keys(account_id).values_list("pk", "version", "purpose", "key_id", "sealing_key_id")
)
_limits = Prepared(lambda account_id: AccountLimits.objects.filter(account_id=account_id))

# What a client was built from; a difference means that it must be built anew.
Fingerprint = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    fingerprint: Fingerprint
    client: ExchangeClient


# Seconds. A tier changes once in months; an order should not ask for it.
LIMITS_TRUSTED_FOR = 2.0

_entries: dict[tuple[str, Any], _Entry] = {}
_limits_read_at: dict[int, float] = {}
# Seconds. A key that was deleted at the exchange is refused with each call; one test says so.
REFUSED_AGAIN_AFTER = 3.0
_refused_at: dict[int, float] = {}
_lock = threading.Lock()


def client_for(account_id: int, *, write: bool) -> ExchangeClient:
    """Return the process's client of one account, signed with its trading or reading key.

    Cached until the account's keys or environment change (two small queries per call); its limits are
    looked at again after LIMITS_TRUSTED_FOR.

    Raises:
        NotFound: no such active account.
        EnvironmentRefused: its environment is not enabled here.
        DeskError: no usable key, or the vault cannot be opened in this process.
    """
    if write:
        durability.writes_check()
    account = _accounts.first(account_id)
    if account is None:
        raise NotFound("This account does not exist or is switched off.")
    rest = hosts.rest_hosts(account.environment)
    fingerprint = (account.environment, tuple(rest), keys_fingerprint(account_id))

    def build() -> ExchangeClient:
        refused = functools.partial(key_refused, account_id)
        return ExchangeClient(rest, signer_for(account_id, write=write), limiter_for(account), on_key_refused=refused)

    client = _cached(("write" if write else "read", account_id), fingerprint, build)
    # The limits may have been read anew since the client was built.
    if time.monotonic() - _limits_read_at.get(account_id, -LIMITS_TRUSTED_FOR) >= LIMITS_TRUSTED_FOR:
        limiter_for(account)
    return client


def environment_client(environment: str) -> ExchangeClient:
    """Return the process's unsigned client of an environment, for public endpoints only.

    Raises EnvironmentRefused.
    """
    rest = hosts.rest_hosts(environment)

    def build() -> ExchangeClient:
        limiter = _limiter(settings.REDIS_URL, f"{environment}:public")
        return ExchangeClient(rest, None, limiter)

    return _cached(("public", environment), tuple(rest), build)


def limiter_for(account: ExchangeAccount) -> SharedLimiter:
    """Return the token buckets of an account that all processes share through Redis.

    Two rows of one Kalshi member share one budget, as they do at the exchange.
    """
    member = account.exchange_user_id or f"account-{account.pk}"
    limiter = _limiter(settings.REDIS_URL, f"{account.environment}:{member}")
    _limits_read_at[account.pk] = time.monotonic()
    limits = _limits.first(account.pk)
    if limits is not None:
        limiter.configure(
            read=Budget(rate=limits.read_rate, capacity=limits.read_capacity),
            write=Budget(rate=limits.write_rate, capacity=limits.write_capacity),
        )
    return limiter


def key_refused(account_id: int) -> None:
    """The exchange refused a signature of this account: have its keys tested, which ends one that was deleted there."""
    now = time.monotonic()
    with _lock:
        if now - _refused_at.get(account_id, -REFUSED_AGAIN_AFTER) < REFUSED_AGAIN_AFTER:
            return
        _refused_at[account_id] = now
    for key in _live_keys(account_id):
        if key.status != ApiKey.Status.INVALID:
            logger.warning("account %s: the exchange refused a signature; key row %s is tested", account_id, key.pk)
            for enqueue in ports.key_test_enqueue:
                enqueue(key.pk)


def keys_fingerprint(account_id: int) -> Fingerprint:
    """Return what identifies the account's live REST keys; it changes with every new, rotated or revoked key."""
    return tuple(map(tuple, _keys(account_id)))


def _live_keys(account_id: int) -> QuerySet[ApiKey]:
    live = ApiKey.objects.filter(account_id=account_id, purpose__in=REST_PURPOSES)
    return live.exclude(status=ApiKey.Status.REVOKED).order_by("pk")


def clients_forget() -> None:
    """Close and drop every cached client (tests, and a process that ends)."""
    with _lock:
        entries = list(_entries.values())
        _entries.clear()
        _limits_read_at.clear()
        _refused_at.clear()
        _limiter.cache_clear()
    for entry in entries:
        entry.client.close()


@functools.lru_cache(maxsize=4)
def _limiter_redis(url: str) -> redis.Redis:
    # Orders wait for this one, so it gives up at once and the process counts alone.
    return redis.Redis.from_url(
        url, socket_timeout=0.2, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 1), client_name="desk-limits"
    )


@functools.lru_cache(maxsize=512)
def _limiter(redis_url: str, name: str) -> SharedLimiter:
    return SharedLimiter(_limiter_redis(redis_url), account=name, read=BASIC_READ, write=BASIC_WRITE)


def _cached(key: tuple[str, Any], fingerprint: Fingerprint, build: Callable[[], ExchangeClient]) -> ExchangeClient:
    with _lock:
        entry = _entries.get(key)
        if entry is not None and entry.fingerprint == fingerprint:
            return entry.client
        # A replaced client is left to finish calls in flight and to be collected; closing it here
        # could cut an order off after it was sent.
        client = build()
        _entries[key] = _Entry(fingerprint, client)
        return client
