"""The acceptors by name: five of the event exchange, four of the margin exchange (docs: fix-margin/*).

Both speak FIXT.1.1 with the same codec, sessions and matching. What differs is here: which messages a session takes,
which fields they have, and what a logon may ask for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from apps.paper.fix.dictionary import ACCEPTS, PORT_OFFSETS, SPECS, Group, Spec

MARGIN: Final = "margin:"
SYMBOLS: Final = Group((55,), frozenset({55}))

_ENTRY: Final = frozenset({"D", "F", "G", "UOG", "j"})
MARGIN_ACCEPTS: Final[dict[str, frozenset[str]]] = {
    "KalshiNR": _ENTRY | {"q"},
    "KalshiRT": _ENTRY,
    "KalshiDC": frozenset({"U1", "j"}),
    "KalshiMD": frozenset({"V", "j"}),
}
# In production the ports are the same (8228 to 8230, market data 8233) on other hosts; here they lie behind the others.
MARGIN_OFFSETS: Final = {"KalshiNR": 5, "KalshiDC": 6, "KalshiRT": 7, "KalshiMD": 10}


def _tags(text: str) -> frozenset[int]:
    return frozenset(map(int, text.split()))


MARGIN_SPECS: Final[Mapping[str, Spec]] = {
    **SPECS,
    # HeartBtInt may be left out; no settlement reports (20127), no 21026; dollars always (21005 says nothing new).
    "A": replace(
        SPECS["A"],
        required=_tags("98 96 1137"),
        optional=_tags("108 95 141 789 383 464 553 554 8013 20126 20200 21005 21007 21008 21011 21012"),
    ),
    "D": replace(SPECS["D"], optional=_tags("18 59 60 126 79 526 2964 21006")),
    "G": replace(SPECS["G"], required=_tags("11 38 40 41 54 55"), optional=_tags("37 44 60 79")),
    "UOG": replace(SPECS["UOG"], optional=_tags("20130 20132")),
    "V": Spec("MarketDataRequest", _tags("263"), frozenset(), {146: SYMBOLS}),
}


@dataclass(frozen=True, slots=True)
class Door:
    """One acceptor. name: as faults, logs and paper.json call it. least_heartbeat: seconds."""

    name: str
    target: str
    accepts: frozenset[str]
    specs: Mapping[str, Spec]
    port_offset: int
    is_margin: bool = False
    least_heartbeat: int = 4  # N > 3


DOORS: Final[dict[str, Door]] = {
    **{target: Door(target, target, accepts, SPECS, PORT_OFFSETS[target]) for target, accepts in ACCEPTS.items()},
    **{
        MARGIN + target: Door(
            MARGIN + target,
            target,
            accepts,
            MARGIN_SPECS,
            MARGIN_OFFSETS[target],
            is_margin=True,
            least_heartbeat=3,  # "must be >= 3"
        )
        for target, accepts in MARGIN_ACCEPTS.items()
    },
}


def door_of(name: str) -> Door:
    return DOORS[name]


def split(session_id: str) -> tuple[Door, str]:
    """The acceptor and the key of a stored session."""
    name = next(name for name in DOORS if session_id.startswith(name) and len(session_id) > len(name))
    return DOORS[name], session_id[len(name) :]
