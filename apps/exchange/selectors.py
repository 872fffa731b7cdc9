"""What pages, tasks and topics read about environments and accounts."""

from dataclasses import dataclass
from typing import Any

import msgspec
import redis
from django.conf import settings

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import format_rfc3339, unix_ms_now
from apps.exchange import clients, live, news
from apps.exchange.models import AccountLimits, ExchangeStatus
from apps.vault.models import ApiKey

FEED_PREFIX = "desk:feed:"  # + environment: JSON FeedState, written by the gateway, expires after 5 s


class FeedState(msgspec.Struct, frozen=True):
    """How the gateway's market data connection of one environment is. Times: Unix milliseconds."""

    state: str  # live | stale | down
    why: str = ""
    frame_ms: int | None = None  # when the last frame came


@dataclass(frozen=True, slots=True)
class AccountWithKey:
    """An active account that the gateway can connect with."""

    account_id: int
    environment: str
    keys: tuple[Any, ...]  # changes with every new, rotated or revoked key


def environments_in_use() -> list[str]:
    """Return the enabled environments that have an active account, sorted."""
    used = ExchangeAccount.objects.filter(is_active=True).values_list("environment", flat=True).distinct()
    return sorted(set(used) & set(settings.EXCHANGE_ENVIRONMENTS))


def accounts_with_keys() -> list[AccountWithKey]:
    """Return the active accounts of enabled environments with a REST key that was not refused, by id."""
    accounts = ExchangeAccount.objects.filter(is_active=True, environment__in=environments_in_use()).order_by("pk")
    found = []
    for account in accounts:
        usable = (
            ApiKey.objects.filter(account=account, purpose__in=clients.REST_PURPOSES)
            .exclude(status__in=[ApiKey.Status.REVOKED, ApiKey.Status.INVALID])
            .exists()
        )
        if usable:
            found.append(AccountWithKey(account.pk, account.environment, clients.keys_fingerprint(account.pk)))
    return found


def feed_state(environment: str) -> FeedState:
    """Return how the feed is; "down" when the gateway does not say or Redis is away."""
    try:
        raw = live.redis_client().get(FEED_PREFIX + environment)
    except (redis.RedisError, OSError):
        return FeedState("down", "the live data server (Redis) cannot be reached")
    if raw is None:
        return FeedState("down", "the gateway is not connected")
    return msgspec.json.decode(raw, type=FeedState)


def status_frame(environment: str) -> dict[str, Any]:
    """Return the frame of `status:<env>`: what the exchange says about itself, and how our feed is."""
    row = ExchangeStatus.objects.filter(environment=environment).first()
    feed = feed_state(environment)
    return {
        "exchange_active": row.exchange_active if row else None,
        "trading_active": row.trading_active if row else None,
        "resume_at": format_rfc3339(row.resume_at) if row and row.resume_at else None,
        "error": row.error if row else "",
        "feed": feed.state,
        "feed_why": feed.why,
        "feed_ms": feed.frame_ms,
        "clock_offset_ms": row.clock_offset_ms if row else None,
        **news.news_frame(environment),
    }


def limits_frame(account: ExchangeAccount) -> dict[str, Any]:
    """Return the frame of `limits:<account>`: the token buckets that all our processes share, as they stand now."""
    levels = clients.limiter_for(account).levels()
    frame: dict[str, Any] = {
        name: {"tokens": int(level.tokens), "capacity": int(level.capacity), "rate": int(level.rate)}
        for name, level in levels.items()
    }
    frame["degraded"] = any(level.degraded for level in levels.values())
    frame["at_ms"] = unix_ms_now()
    return frame


def limits_of(account_id: int) -> AccountLimits | None:
    """Return what the exchange last said about an account's tier, None before a key was tested."""
    return AccountLimits.objects.filter(account_id=account_id).first()
