"""Exchange clients by account and by environment, one of each per process.

Only the worker and the gateway can open keys, so only they may call `client_for`;
`environment_client` carries no key and works everywhere, for public endpoints.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.errors import NotFound
from apps.exchange import hosts, live
from apps.exchange.models import AccountLimits
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.limiter import BucketLimits, SharedLimiter
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for

# Source: docs:rate_limits, tier Basic, the lowest. Used until GET /account/limits has answered.
BASIC_READ = (200, 200)  # tokens per second, capacity
BASIC_WRITE = (100, 100)

REST_PURPOSES = (ApiKey.Purpose.REST_TRADE, ApiKey.Purpose.REST_READ)

# What a client was built from; a difference means that it must be built anew.
Fingerprint = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    fingerprint: Fingerprint
    client: ExchangeClient


_entries: dict[tuple[str, Any], _Entry] = {}
_lock = threading.Lock()


def client_for(account_id: int, *, write: bool) -> ExchangeClient:
    """Return the process's client of one account, signed with its trading or reading key.

    Cached until the account's keys, limits or environment change (one small query per call).

    Raises:
        NotFound: no such active account.
        EnvironmentRefused: its environment is not enabled here.
        DeskError: no usable key, or the vault cannot be opened in this process.
    """
    account = ExchangeAccount.objects.filter(pk=account_id, is_active=True).first()
    if account is None:
        raise NotFound("This account does not exist or is switched off.")
    rest = hosts.rest_hosts(account.environment)
    fingerprint = (account.environment, tuple(rest), keys_fingerprint(account_id), _limits_fingerprint(account_id))

    def build() -> ExchangeClient:
        signer = signer_for(account_id, write=write)
        return ExchangeClient(rest, signer, limiter_for(account_id))

    return _cached(("write" if write else "read", account_id), fingerprint, build)


def environment_client(environment: str) -> ExchangeClient:
    """Return the process's unsigned client of an environment, for public endpoints only.

    Raises EnvironmentRefused.
    """
    rest = hosts.rest_hosts(environment)

    def build() -> ExchangeClient:
        return ExchangeClient(rest, None, _limiter(f"public:{environment}", BASIC_READ, BASIC_WRITE))

    return _cached(("public", environment), tuple(rest), build)


def limiter_for(account_id: int) -> SharedLimiter:
    """Return the token buckets of an account that all processes share through Redis."""
    limits = AccountLimits.objects.filter(account_id=account_id).first()
    if limits is None:
        return _limiter(f"account:{account_id}", BASIC_READ, BASIC_WRITE)
    return _limiter(
        f"account:{account_id}",
        (limits.read_rate, limits.read_capacity),
        (limits.write_rate, limits.write_capacity),
    )


def keys_fingerprint(account_id: int) -> tuple[tuple[Any, ...], ...]:
    """Return what identifies the account's live REST keys; it changes with every new, rotated or revoked key."""
    keys = (
        ApiKey.objects.filter(account_id=account_id, purpose__in=REST_PURPOSES)
        .exclude(status=ApiKey.Status.REVOKED)
        .order_by("pk")
        .values_list("pk", "version", "purpose", "key_id", "sealing_key_id")
    )
    return tuple(keys)


def clients_forget() -> None:
    """Close and drop every cached client (tests, and a process that ends)."""
    with _lock:
        entries = list(_entries.values())
        _entries.clear()
    for entry in entries:
        entry.client.close()


def _limits_fingerprint(account_id: int) -> Any:
    return AccountLimits.objects.filter(account_id=account_id).values_list("updated_at", flat=True).first()


def _limiter(name: str, read: tuple[int, int], write: tuple[int, int]) -> SharedLimiter:
    return SharedLimiter(
        live.redis_client(),
        name,
        BucketLimits(read_rate=read[0], read_capacity=read[1], write_rate=write[0], write_capacity=write[1]),
    )


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
