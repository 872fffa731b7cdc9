from tests.support.redis import live_redis, redis_process, redis_url

__all__ = ["live_redis", "redis_process", "redis_url"]
