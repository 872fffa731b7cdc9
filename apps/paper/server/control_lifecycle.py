"""Control calls on combos and on the weekly maintenance window."""

from typing import Any

import msgspec

from apps.paper.engine.combos import ScalarLeg, VoidLeg
from apps.paper.engine.grids import PRICE_LEVEL_STRUCTURES
from apps.paper.engine.state import Maintenance
from apps.paper.server.control_bodies import Checked, decode
from apps.paper.server.http import Request
from apps.paper.server.server import PaperServer


class CombosBody(Checked):
    """What is left out stays as it is. Rules of legs hold for results from now on, the grid for new markets."""

    void_leg: VoidLeg | None = None
    scalar_leg: ScalarLeg | None = None
    grid: str | None = None
    creations_per_week: int | None = None


class MaintenanceBody(Checked):
    window: Maintenance


class LifecycleCalls:
    def __init__(self, paper: PaperServer) -> None:
        self._exchange = paper.exchange

    def set_combo_rules(self, request: Request) -> dict[str, Any]:
        body = decode(request, CombosBody)
        rules = self._exchange.combo_rules
        if body.grid is not None and body.grid not in PRICE_LEVEL_STRUCTURES:
            raise ValueError(f"a grid is one of {', '.join(PRICE_LEVEL_STRUCTURES)}")
        if body.creations_per_week is not None and body.creations_per_week < 0:
            raise ValueError("creations_per_week must be at least 0")
        for name, value in msgspec.structs.asdict(body).items():
            if value is not None:
                setattr(rules, name, value)
        return {
            "void_leg": rules.void_leg,
            "scalar_leg": rules.scalar_leg,
            "grid": rules.grid,
            "creations_per_week": rules.creations_per_week,
        }

    def set_maintenance(self, request: Request) -> dict[str, Any]:
        exchange = self._exchange
        exchange.keep_maintenance(decode(request, MaintenanceBody).window)
        window = exchange.maintenance_window
        return {
            "window": exchange.maintenance,
            "in_maintenance": exchange.in_maintenance,
            "start_ms": None if window is None else window.start_ms,
            "end_ms": None if window is None else window.end_ms,
        }
