"""How often a token may call: a number of calls in each minute of the clock, counted in one place for all processes."""

import logging
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from ninja.throttling import BaseThrottle
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

_MINUTE = 60


class PerToken(BaseThrottle):
    """Runs after the token was checked, so that strangers cannot use up anybody's calls."""

    def allow_request(self, request: HttpRequest) -> bool:
        token = request.auth.token  # type: ignore[attr-defined]
        key = f"data-api:{token.pk}:{int(time.time()) // _MINUTE}"
        try:
            cache.add(key, 0, timeout=2 * _MINUTE)
            return cache.incr(key) <= settings.DATA_API_PER_MINUTE
        except RedisError:
            # Who cannot be counted is not let in: degraded, never open.
            logger.exception("calls of tokens cannot be counted")
            return False

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return _MINUTE - time.time() % _MINUTE
