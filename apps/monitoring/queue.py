"""Names of the tasks of monitoring, and how they are queued. A lost one is found by beat, and by the gateway."""

from apps.orders.queue import enqueue, enqueue_on_commit

__all__ = ["KILL_SWEEP", "enqueue", "enqueue_on_commit"]

KILL_SWEEP = "apps.monitoring.tasks.kill_sweep"
