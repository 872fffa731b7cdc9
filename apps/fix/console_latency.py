"""How long things took on a session, out of the stored messages: histograms for the page of one session.

Orders: our order to its first report, by ClOrdID. Quotes: an accepted quote (AI) to our confirm (U7), by QuoteID.
Everything that came: the exchange's SendingTime to our clock, which holds the clocks' difference too.
"""

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from apps.core.timestamps import to_unix_ms
from apps.fix.engine.values import timestamp_read
from apps.fix.models import FixMessage, FixSession

LOOKED_AT: Final = 2_000  # newest messages
EDGES: Final = (5, 10, 25, 50, 100, 250, 500, 1_000)  # ms; the last bucket is open
_ORDERS: Final = frozenset({"D", "F", "G"})


@dataclass(frozen=True, slots=True)
class Histogram:
    """label: what from where to where. p50, p99: milliseconds."""

    label: str
    count: int
    p50: int
    p99: int
    bars: list[dict[str, Any]]


def latencies(session: FixSession) -> list[Histogram]:
    """Return the histograms that have something to show."""
    rows = FixMessage.objects.filter(session=session).order_by("-pk")
    columns = rows.values_list("msg_type", "is_outgoing", "at", "client_order_id", "fields")[:LOOKED_AT]
    asked: dict[str, datetime] = {}
    accepted: dict[str, datetime] = {}
    took: dict[str, list[int]] = {"Order sent to first report": [], "Accept to our confirm": [], "Exchange to desk": []}
    for kind, is_outgoing, at, client_id, fields in reversed(columns):
        if is_outgoing and kind in _ORDERS:
            asked[client_id] = at
        elif not is_outgoing and kind in ("8", "9") and client_id in asked:
            took["Order sent to first report"].append(_between(asked.pop(client_id), at))
        elif kind == "AI":
            accepted[_value(fields, 117)] = at
        elif kind == "U7" and is_outgoing and _value(fields, 117) in accepted:
            took["Accept to our confirm"].append(_between(accepted.pop(_value(fields, 117)), at))
        if not is_outgoing and _value(fields, 43) != "Y":
            try:
                took["Exchange to desk"].append(max(0, to_unix_ms(at) - timestamp_read(_value(fields, 52))))
            except ValueError:
                continue
    return [histogram(label, values) for label, values in took.items() if values]


def histogram(label: str, values: list[int]) -> Histogram:
    """values: milliseconds, at least one."""
    ordered = sorted(values)
    counts = [0] * (len(EDGES) + 1)
    for value in ordered:
        counts[next((place for place, edge in enumerate(EDGES) if value < edge), len(EDGES))] += 1
    names = [f"under {EDGES[0]} ms", *(f"{low} to {high} ms" for low, high in itertools.pairwise(EDGES)), "1 s or more"]
    most = max(counts)
    bars = [
        {"name": name, "count": count, "share": count * 100 // most} for name, count in zip(names, counts, strict=True)
    ]
    return Histogram(label, len(ordered), _percentile(ordered, 50), _percentile(ordered, 99), bars)


def _percentile(ordered: list[int], percent: int) -> int:
    """The smallest value that so many per cent of the values do not exceed."""
    place = -(-len(ordered) * percent // 100)
    return ordered[max(0, place - 1)]


def _between(before: datetime, after: datetime) -> int:
    return max(0, to_unix_ms(after) - to_unix_ms(before))


def _value(fields: list[Any], tag: int) -> str:
    return next((str(value) for number, value in fields if int(number) == tag), "")
