"""Everything that writes what an environment or an account is like."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import msgspec
import redis
from django.db import transaction

from apps.accounts.models import ExchangeAccount
from apps.audit.services import record
from apps.core.errors import DeskError, WireFormatError
from apps.core.timestamps import parse_rfc3339, utc_now
from apps.exchange import clients, hosts, live, selectors
from apps.exchange.models import AccountLimits, ExchangeStatus
from apps.exchange.selectors import FEED_PREFIX, FeedState
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for_key

logger = logging.getLogger(__name__)

FEED_EXPIRES_MS = 5_000
CLOCK_AT_FAULT_MS = 1_000  # a signature is refused at an offset of some seconds
EPOCH_PREFIX = "desk:epoch:"  # + environment: set while Redis remembers what this gateway published


def status_refresh(environment: str, *, client: ExchangeClient | None = None) -> ExchangeStatus:
    """Ask an environment whether it is open, store and publish the answer.

    A failure is stored too (in words, with the last known answer kept as not known any more): a
    page must not show "active" when nobody could ask.
    """
    reader = client or clients.environment_client(environment)
    values: dict[str, Any] = {"exchange_active": None, "trading_active": None, "resume_at": None, "error": ""}
    try:
        body = reader.get("/exchange/status", cost=10)
    except ExchangeError as exc:
        values["error"] = exc.text[:200]
    else:
        values |= {
            "exchange_active": _flag(body.get("exchange_active")),
            "trading_active": _flag(body.get("trading_active")),
            "resume_at": _time(body.get("exchange_estimated_resume_time")),
        }
    values |= {"clock_offset_ms": reader.clock_offset_ms, "checked_at": utc_now()}
    row, _ = ExchangeStatus.objects.update_or_create(environment=environment, defaults=values)
    status_publish(environment)
    return row


def status_publish(environment: str) -> bool:
    """Publish `status:<env>` as it stands now."""
    return live.publish(f"status:{environment}", selectors.status_frame(environment))


def feed_report(environment: str, state: FeedState, *, now_ms: int) -> bool:
    """Store how the gateway's feed is, with its heartbeat.

    Returns True when Redis knows nothing of this gateway's earlier reports: it was restarted or
    emptied, and whatever was kept there must be published again.
    """
    try:
        with live.redis_client().pipeline(transaction=False) as pipe:
            pipe.set(FEED_PREFIX + environment, msgspec.json.encode(state), px=FEED_EXPIRES_MS)
            pipe.set(live.HEARTBEAT_PREFIX + environment, now_ms, px=FEED_EXPIRES_MS)
            pipe.set(EPOCH_PREFIX + environment, now_ms, nx=True)
            return bool(pipe.execute()[2])
    except (redis.RedisError, OSError):
        return False


def feed_forget(environment: str) -> None:
    """Drop heartbeat and kept books and tapes of an environment that nobody feeds any more."""
    client = live.redis_client()
    try:
        topics = [
            topic
            for kind in ("book", "tape")
            for topic, _ in client.hscan_iter(live.STATE, match=f"{kind}:{environment}:*", count=500)
        ]
        with client.pipeline(transaction=False) as pipe:
            if topics:
                pipe.hdel(live.STATE, *topics)
            pipe.delete(FEED_PREFIX + environment, live.HEARTBEAT_PREFIX + environment, EPOCH_PREFIX + environment)
            pipe.execute()
    except (redis.RedisError, OSError) as exc:
        logger.warning("what was published for %s is still in Redis: %s", environment, type(exc).__name__)


def limits_publish(account: ExchangeAccount) -> bool:
    """Publish `limits:<account>` from the buckets that all processes share."""
    return limits_frame_publish(account.pk, selectors.limits_frame(account))


def limits_frame_publish(account_id: int, frame: Mapping[str, Any]) -> bool:
    return live.publish(f"limits:{account_id}", frame)


def account_limits_apply(account: ExchangeAccount, body: Mapping[str, Any]) -> AccountLimits:
    """Store GET /account/limits and give the shared buckets these rates.

    Raises:
        WireFormatError: a rate or capacity is not a positive integer; nothing was stored.
    """
    read, write = _bucket(body, "read"), _bucket(body, "write")
    limits, _ = AccountLimits.objects.update_or_create(
        account=account,
        defaults={
            "usage_tier": str(body.get("usage_tier") or "")[:40],
            "read_rate": read[0],
            "read_capacity": read[1],
            "write_rate": write[0],
            "write_capacity": write[1],
            "updated_at": utc_now(),
        },
    )
    limits_publish(account)
    return limits


@dataclass(frozen=True, slots=True)
class KeyTest:
    """What the exchange said to one key. `status` is an ApiKey.Status."""

    status: str
    result: dict[str, Any]
    limits: dict[str, Any] | None = None
    scopes: list[str] | None = None


def key_test(key_row_id: int, *, client: ExchangeClient | None = None) -> ApiKey:
    """Ask the exchange about one key and store what it says: works or not, tier, scopes, clock offset.

    Only a refusal by the exchange makes a key invalid; an exchange that cannot be reached leaves the
    key as it was, with the reason.

    Raises:
        ApiKey.DoesNotExist: no such row.
    """
    key = ApiKey.objects.select_related("account").get(pk=key_row_id)
    try:
        reader = client or _key_client(key)
        asked = _key_ask(key, reader)
    except DeskError as exc:
        asked = KeyTest(key.status, {"error": exc.text, "code": exc.code})
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().select_related("account").get(pk=key_row_id)
        _key_test_store(key, asked)
    if asked.limits is not None:
        account_limits_apply(key.account, asked.limits)
    return key


def _key_client(key: ApiKey) -> ExchangeClient:
    rest = hosts.rest_hosts(key.account.environment)
    return ExchangeClient(rest, signer_for_key(key.pk), clients.limiter_for(key.account))


def _key_ask(key: ApiKey, reader: ExchangeClient) -> KeyTest:
    try:
        limits = _limits_read(reader)
    except Refused as exc:
        status = ApiKey.Status.INVALID if exc.status in (401, 403) else key.status
        return KeyTest(status, {"error": exc.text, "code": exc.code, "clock_offset_ms": reader.clock_offset_ms})
    except ExchangeError as exc:
        return KeyTest(key.status, {"error": exc.text, "code": exc.code, "clock_offset_ms": reader.clock_offset_ms})
    try:
        read, write = _bucket(limits, "read"), _bucket(limits, "write")
    except WireFormatError as exc:
        return KeyTest(ApiKey.Status.VALID, {"error": str(exc), "clock_offset_ms": reader.clock_offset_ms})
    scopes = _scopes_of(key, reader)
    result = {
        "tier": str(limits.get("usage_tier") or ""),
        "read": {"rate": read[0], "capacity": read[1]},
        "write": {"rate": write[0], "capacity": write[1]},
        "scopes": scopes,
        "clock_offset_ms": reader.clock_offset_ms,
        "exchange_user_id": _user_id(reader),
        "error": "",
    }
    return KeyTest(ApiKey.Status.VALID, result, limits, scopes)


def _limits_read(reader: ExchangeClient) -> dict[str, Any]:
    """Ask; once more where this machine's clock was the fault, which the refusal's own time has told by now (F15)."""
    try:
        return reader.get("/account/limits")
    except Refused as exc:
        if exc.status != httpx.codes.UNAUTHORIZED or abs(reader.clock_offset_ms or 0) < CLOCK_AT_FAULT_MS:
            raise
        return reader.get("/account/limits")


def _scopes_of(key: ApiKey, reader: ExchangeClient) -> list[str] | None:
    """Return the scopes that the exchange lists for this key, None when it does not say."""
    try:
        listed = reader.get("/api_keys").get("api_keys") or []
    except ExchangeError as exc:
        logger.info("scopes of key row %s are not known: %s", key.pk, exc)
        return None
    for item in listed:
        if isinstance(item, dict) and item.get("api_key_id") == key.key_id:
            scopes = item.get("scopes")
            return sorted(str(scope)[:40] for scope in scopes) if isinstance(scopes, list) else None
    return None


def _user_id(reader: ExchangeClient) -> str:
    """Return what the exchange calls the member, "" while it has no order that says so."""
    try:
        orders = reader.get("/portfolio/orders", params={"limit": 1}).get("orders") or []
    except ExchangeError:
        return ""
    first = orders[0] if orders and isinstance(orders[0], dict) else {}
    return str(first.get("user_id") or "")[:80]


def _key_test_store(key: ApiKey, asked: KeyTest) -> None:
    if key.status == ApiKey.Status.REVOKED:
        return  # revoked while the exchange was asked: that stands
    key.status = asked.status
    key.tested_at = utc_now()
    key.test_result = asked.result
    fields = ["status", "tested_at", "test_result"]
    # The stored scopes bound what this desk signs; the exchange's may narrow them, never widen.
    if asked.scopes is not None and set(asked.scopes) < set(key.scopes):
        key.scopes = asked.scopes
        fields.append("scopes")
    key.save(update_fields=fields)
    user_id = asked.result.get("exchange_user_id")
    if user_id and key.account.exchange_user_id != user_id:
        key.account.exchange_user_id = user_id
        key.account.save(update_fields=["exchange_user_id"])
    record(
        "vault.key.tested",
        actor_id=None,
        desk_id=key.account.desk_id,
        environment=key.account.environment,
        target=f"api_key:{key.pk}",
        data={"status": key.status, "code": asked.result.get("code", ""), "tier": asked.result.get("tier", "")},
    )


def _bucket(body: Mapping[str, Any], name: str) -> tuple[int, int]:
    bucket = body.get(name)
    values = [bucket.get(field) if isinstance(bucket, dict) else None for field in ("refill_rate", "bucket_capacity")]
    if not all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values):
        raise WireFormatError(f"the {name} bucket of the account limits is not two positive integers: {values}")
    return values[0], values[1]  # type: ignore[return-value]


def _flag(raw: Any) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _time(raw: Any) -> datetime | None:
    try:
        return parse_rfc3339(raw) if raw else None
    except WireFormatError:
        return None
