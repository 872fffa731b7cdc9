"""Fair values that people set: one by one, or from a file. Each has an end: none is traded on forgotten."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.errors import DeskError, WireFormatError
from apps.core.money import format_price, parse_price
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders.access import require
from apps.rfq.asks import name_from
from apps.rfq.events.words import ms, person, price
from apps.rfq.models import FairMark
from apps.rfq.services.fair import FairSource
from apps.rfq.services.filters import environment_of

DEFAULT_LASTS = timedelta(hours=8)
LONGEST = timedelta(days=7)
MOST_BYTES = 262_144
MOST_LINES = 2_000
MOST_FAULTS = 50  # told at once


@dataclass(frozen=True, slots=True)
class Mark:
    """What one YES is worth, dollars, above 0 and below 1; for how long."""

    ticker: str
    yes: Decimal
    lasts: timedelta = DEFAULT_LASTS


def marks_set(actor: Actor, marks: Sequence[Mark], source: FairSource, *, now: datetime | None = None) -> int:
    """Store marks of the selected account's environment; newer replace older. Raises NotAllowed, DeskError."""
    require(actor, Permission.RFQ_TRADE)
    environment = environment_of(actor)
    now = now or utc_now()
    with transaction.atomic():
        for mark in marks:
            FairMark.objects.update_or_create(
                desk_id=actor.desk_id,
                environment=environment,
                ticker=mark.ticker,
                source=source.value,
                defaults={
                    "yes": mark.yes,
                    "set_by_id": actor.user_id,
                    "set_at": now,
                    "ends_at": now + mark.lasts,
                },
            )
        few = {mark.ticker: format_price(mark.yes) for mark in marks[:20]}
        data = {"source": source.value, "count": len(marks), "marks": few}
        audit.record("rfq.fair.set", actor_id=actor.user_id, desk_id=actor.desk_id, environment=environment, data=data)
    return len(marks)


def mark_clear(actor: Actor, ticker: str) -> int:
    """Take back what a person or a file says of a market; returns how many marks. Raises NotAllowed, DeskError."""
    require(actor, Permission.RFQ_TRADE)
    environment = environment_of(actor)
    with transaction.atomic():
        rows = FairMark.objects.filter(desk_id=actor.desk_id, environment=environment, ticker=ticker)
        cleared, _ = rows.delete()
        if cleared:
            audit.record(
                "rfq.fair.cleared",
                actor_id=actor.user_id,
                desk_id=actor.desk_id,
                environment=environment,
                data={"ticker": ticker, "count": cleared},
            )
    return cleared


def marks_of(actor: Actor, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """Return the marks in force, of the selected account's environment. Raises NotAllowed, DeskError."""
    require(actor, Permission.DESK_VIEW)
    rows = FairMark.objects.filter(desk_id=actor.desk_id, environment=environment_of(actor)).select_related("set_by")
    held = rows.filter(ends_at__gt=now or utc_now()).order_by("ticker", "source")[:MOST_LINES]
    return [
        {
            "ticker": mark.ticker,
            "source": mark.source,
            "yes": price(mark.yes),
            "set_by": person(mark.set_by),
            "set_ms": ms(mark.set_at),
            "ends_ms": ms(mark.ends_at),
        }
        for mark in held
    ]


def mark_from_params(params: Mapping[str, Any]) -> Mark:
    """Read {"ticker", "yes", "ends_in_s"?}. Raises DeskError `bad_input`."""
    faults: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, reader in (("ticker", name_from), ("yes", value_from), ("ends_in_s", _seconds)):
        raw = params.get(name)
        if raw is None and name == "ends_in_s":
            continue
        try:
            values[name] = reader(raw)
        except (WireFormatError, ValueError) as exc:
            faults[name] = str(exc)
    if faults:
        raise DeskError("bad_input", "Some fields cannot be read: " + "; ".join(faults), fields=faults)
    return Mark(values["ticker"], values["yes"], values.get("ends_in_s", DEFAULT_LASTS))


def marks_from_csv(content: bytes) -> list[Mark]:
    """Read lines of `ticker,yes[,seconds]`; a first line that starts with "ticker" is a heading.

    Raises DeskError `bad_file`: nothing is taken unless every line is good; `fields` has the line numbers.
    """
    if len(content) > MOST_BYTES:
        raise DeskError("bad_file", f"The file is larger than {MOST_BYTES // 1024} KiB. Upload it in parts.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DeskError("bad_file", "The file is not UTF-8 text.") from exc
    marks: dict[str, Mark] = {}
    faults: dict[str, str] = {}
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells) or (reader.line_num == 1 and cells[0].lower() == "ticker"):
                continue
            if len(marks) + len(faults) >= MOST_LINES:
                raise DeskError("bad_file", f"The file has more than {MOST_LINES:,} lines. Upload it in parts.")
            try:
                mark = _mark_of(cells)
                if mark.ticker in marks:
                    raise ValueError(f"{mark.ticker} is there twice.")
                marks[mark.ticker] = mark
            except (WireFormatError, ValueError) as exc:
                faults[str(reader.line_num)] = str(exc)
    except csv.Error as exc:
        raise DeskError("bad_file", f"Line {reader.line_num} is no CSV: {exc}.") from exc
    if faults:
        first = dict(list(faults.items())[:MOST_FAULTS])
        raise DeskError("bad_file", f"{len(faults)} lines cannot be used; nothing was stored.", fields=first)
    if not marks:
        raise DeskError("bad_file", "The file has no lines of ticker and value.")
    return list(marks.values())


def _mark_of(cells: list[str]) -> Mark:
    if not 2 <= len(cells) <= 3:
        raise ValueError("A line has a ticker, a value and, if you want, seconds.")
    lasts = DEFAULT_LASTS
    if len(cells) == 3 and cells[2]:
        if not cells[2].isdecimal() or len(cells[2]) > 9:
            raise ValueError("Seconds are a whole number.")
        lasts = _seconds(int(cells[2]))
    return Mark(name_from(cells[0]), value_from(cells[1]), lasts)


def value_from(raw: Any) -> Decimal:
    """A fair value, dollars: a market worth 0 or 1 is no longer one. Raises ValueError, WireFormatError."""
    if not isinstance(raw, str):
        raise ValueError("Give the value as text, for example 0.56.")
    value = parse_price(raw)
    if not 0 < value < 1:
        raise ValueError("A fair value is above 0 and below 1 dollar.")
    return value


def _seconds(raw: Any) -> timedelta:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= LONGEST.total_seconds():
        raise ValueError("Give whole seconds, from 1 to 7 days.")
    return timedelta(seconds=raw)
