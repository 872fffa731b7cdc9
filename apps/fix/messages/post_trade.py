"""Settlement reports (UMS) and their fragments. Source: docs:fix/market-settlement."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from apps.fix.engine.codec import Message
from apps.fix.engine.validate import Entry
from apps.fix.engine.values import date_read, decimal_read
from apps.fix.messages.common import body, decimal_or_none, integer_or_none

PATIENCE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Party:
    """One party's position at settlement. Counts in contracts, money in dollars."""

    party_id: str
    long_count: Decimal
    short_count: Decimal
    changes: tuple[tuple[Decimal, str], ...]  # amount, BALANCE or PAYOUT
    fee: Decimal


@dataclass(frozen=True, slots=True)
class SettlementReport:
    """One MarketSettlementReport, which may be a part. price: dollars; cleared_on: ISO date."""

    report_id: str
    ticker: str
    cleared_on: str
    result: str
    price: Decimal
    total: int | None
    is_last: bool
    parties: tuple[Party, ...]

    @classmethod
    def read(cls, message: Message) -> "SettlementReport":
        """Raises WireFormatError. The price is in cents whatever the session's prices are."""
        entry = body(message, "UMS")
        return cls(
            report_id=entry.text(20105),
            ticker=entry.text(55),
            cleared_on=date_read(entry.text(715)),
            result=entry.text(20107),
            price=decimal_read(entry.text(730)) / 100,
            total=integer_or_none(entry, 20106),
            is_last=entry.text(893) != "N",
            parties=tuple(_party(one) for one in entry.entries(20108)),
        )


def _party(entry: Entry) -> Party:
    return Party(
        party_id=entry.text(20109),
        long_count=decimal_or_none(entry, 704) or Decimal(0),
        short_count=decimal_or_none(entry, 705) or Decimal(0),
        changes=tuple((decimal_read(one.text(1704)), one.text(1705)) for one in entry.entries(1703)),
        fee=sum((decimal_read(one.text(137)) for one in entry.entries(136)), Decimal(0)),
    )


@dataclass(slots=True)
class _Pending:
    since_ms: int
    total: int | None = None
    has_last: bool = False
    parts: dict[str, SettlementReport] = field(default_factory=dict)  # by report id, which differs per part


class Assembler:
    """Puts fragments together by symbol and day; each settlement comes out whole, once (D28).

    A fragment that comes twice carries the same id twice. A settlement is whole when its last part and, where
    the exchange says how many there are, all of them have come. Without a count a lost middle part cannot be
    seen, so the sum of what REST lists is the judge; `overdue` names what waits too long for its parts.
    """

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._done: dict[tuple[str, str], frozenset[str]] = {}

    def add(self, report: SettlementReport, now_ms: int) -> tuple[SettlementReport, ...] | None:
        """Take a part; return all parts in order of arrival once they are complete, else None."""
        key = (report.ticker, report.cleared_on)
        if report.report_id in self._done.get(key, frozenset()):
            return None
        pending = self._pending.setdefault(key, _Pending(now_ms))
        pending.parts.setdefault(report.report_id, report)
        pending.total = report.total or pending.total
        pending.has_last = pending.has_last or report.is_last
        if not pending.has_last or (pending.total is not None and len(pending.parts) < pending.total):
            return None
        del self._pending[key]
        self._done[key] = self._done.get(key, frozenset()) | frozenset(pending.parts)
        return tuple(pending.parts.values())

    def overdue(self, now_ms: int) -> list[str]:
        """Return tickers whose parts have not all come for a minute: read their settlements over REST."""
        return sorted(key[0] for key, one in self._pending.items() if now_ms - one.since_ms >= PATIENCE_MS)
