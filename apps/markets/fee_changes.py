"""The fees of a series at any moment: its own figures and the dated changes of them. One read, for the order's path."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.core.fees import FeeChange, fees_in_force
from apps.core.prepared import PreparedColumns
from apps.markets.models import Series

_COLUMNS = (
    "fee_type",
    "fee_multiplier",
    "updated_at",
    "fee_changes__scheduled_at",
    "fee_changes__fee_type",
    "fee_changes__fee_multiplier",
    "fee_changes__before_type",
    "fee_changes__before_multiplier",
)
_rows = PreparedColumns(
    lambda environment, ticker: Series.objects.filter(environment=environment, ticker=ticker).values_list(*_COLUMNS)
)


@dataclass(frozen=True, slots=True)
class SeriesFees:
    """What is known of a series' fees; pairs are (fee_type, fee_multiplier)."""

    own: tuple[str, str]
    read_at: datetime
    changes: tuple[FeeChange, ...] = ()

    def at(self, now: datetime) -> tuple[str, str]:
        """Raises FeeNotKnown."""
        return fees_in_force(self.own, read_at=self.read_at, changes=self.changes, now=now)

    def next_after(self, now: datetime) -> FeeChange | None:
        ahead = [change for change in self.changes if change.at > now]
        return min(ahead, key=lambda change: change.at, default=None)


def series_fees(environment: str, ticker: str) -> SeriesFees | None:
    """Return the fees of a series, None while the series has not been read."""
    return _folded(_rows(environment, ticker))


def _folded(rows: Iterable[Any]) -> SeriesFees | None:
    """Fold one row per change (one without, where there is none)."""
    found: SeriesFees | None = None
    changes = []
    for own_type, own_multiplier, read_at, at, kind, multiplier, before_type, before_multiplier in rows:
        found = found or SeriesFees((own_type, own_multiplier), read_at)
        if at is not None:
            before = None if before_type is None else (before_type, before_multiplier or "")
            changes.append(FeeChange(at, (kind, multiplier), before))
    return found if found is None or not changes else SeriesFees(found.own, found.read_at, tuple(changes))
