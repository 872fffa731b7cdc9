from tests.support.paper import paper, paper_process, paper_processes
from tests.support.redis import live_redis, redis_process, redis_url

__all__ = ["live_redis", "paper", "paper_process", "paper_processes", "redis_process", "redis_url"]
