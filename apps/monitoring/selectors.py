"""What pages read of monitoring."""

from typing import Any

from apps.core.permissions import Actor
from apps.monitoring.events import run_row
from apps.monitoring.services.kill import kill_in_force
from apps.orders import killed


def kill_state_of(actor: Actor) -> dict[str, Any] | None:
    """Return what every page says of the kill switch, None while it is not pulled."""
    run = kill_in_force(actor.desk_id)
    if run is not None:
        return run_row(run)
    if killed.is_set():
        return {"by": "the command line", "why": killed.TEXT, "clean_ms": None}
    return None
