"""The figures in Prometheus' text format (version 0.0.4): levels and values of every part, and what the desk did.

Names of accounts are not in it, only their row ids: a scraper needs no more.
"""

import contextlib
from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError
from django.db.models import Count

from apps.monitoring import health
from apps.orders.models import Fill, Order, OrderIntent
from apps.rfq.models import Confirmation, Quote

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LEVELS = {"ok": 0, "warning": 1, "danger": 2}


def metrics_text() -> str:
    found = health.parts()
    lines = [
        *_head("desk_part_level", "gauge", "0 ok, 1 warning, 2 danger"),
        *(f'desk_part_level{{part="{_label(part.name)}"}} {_LEVELS[part.level]}' for part in found),
        *_head("desk_part_value", "gauge", "seconds, tasks, tokens, milliseconds or bytes, as docs/monitoring.md says"),
        *(f'desk_part_value{{part="{_label(part.name)}"}} {part.value}' for part in found if part.value is not None),
    ]
    with contextlib.suppress(DatabaseError, InterfaceError):  # desk_part_level{part="database"} says it
        lines += list(_counts())
    return "\n".join(lines) + "\n"


def _counts() -> Iterator[str]:
    yield from _by_state("desk_intents", "orders submitted here, by state", OrderIntent, "state")
    yield from _by_state("desk_orders", "orders of our keys, by status", Order, "status")
    yield from _by_state("desk_quotes", "quotes, by state", Quote, "state")
    yield from _by_state("desk_confirmations", "accepts of our quotes, by what became of them", Confirmation, "state")
    yield from _head("desk_fills", "gauge", "fills that are stored")
    yield f"desk_fills {Fill.objects.count()}"


def _by_state(
    name: str, text: str, model: type[OrderIntent] | type[Order] | type[Quote] | type[Confirmation], column: str
) -> Iterator[str]:
    yield from _head(name, "gauge", text)
    rows = model._default_manager.order_by().values_list(column).annotate(Count("pk"))
    yield from (f'{name}{{state="{_label(str(state))}"}} {count}' for state, count in sorted(rows))


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
