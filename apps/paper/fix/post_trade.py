"""Settlement reports (35=UMS) for KalshiPT, and for KalshiRT that asked for them (docs: fix/market-settlement).

One report per market that a member held something in, its accounts as parties; more parties than fit a message make
fragments, each with an id of its own. A void market has no report: the dictionary has no result for it, so that
members learn of it by REST only.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from apps.core.money import format_count_units, format_money_units
from apps.paper.engine.events import Event, MarketLifecycle, SettlementPaid
from apps.paper.engine.maintenance import EASTERN
from apps.paper.engine.orders import Settlement
from apps.paper.engine.units import CENT_PRICE
from apps.paper.fix.codec import Fields

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

CUSTOMER = "24"


class PostTrade:
    """Collects what a settlement pays, and reports it when it is whole."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._paid: dict[tuple[str, str], list[Settlement]] = {}

    def catch_up(self) -> None:
        """Report what was settled while nobody listened. At the first start: nothing."""
        store = self._gateway.store
        seen = store.fact("settlement")
        members = [member for member in self._gateway.exchange.members.values() if member.keeps_history]
        rows = [row for member in members for row in member.settlements]
        newest = max((row.sequence for row in rows), default=0)
        if seen is None:
            store.set_fact("settlement", newest)
            return
        for row in sorted(rows, key=lambda row: row.sequence):
            if row.sequence > seen:
                self._paid.setdefault((row.user_id, row.ticker), []).append(row)
        self._flush()

    def hear(self, event: Event) -> None:
        """Take one event; a market is settled when all its accounts have been paid."""
        if isinstance(event, SettlementPaid):
            row = event.settlement
            if self._gateway.exchange.members[row.user_id].keeps_history:
                self._paid.setdefault((row.user_id, row.ticker), []).append(row)
        elif isinstance(event, MarketLifecycle) and event.type == "settled":
            self._flush()

    def _flush(self) -> None:
        paid, self._paid = self._paid, {}
        for (user_id, _), rows in paid.items():
            if rows[0].value is None:
                continue
            for session in self._gateway.listening(user_id, "KalshiPT", "KalshiRT"):
                if session.flag(20127, default=session.target == "KalshiPT"):
                    self._send(session, rows)
        newest = max((row.sequence for rows in paid.values() for row in rows), default=0)
        if newest:
            self._gateway.store.set_fact("settlement", newest)

    def _send(self, session: "Session", rows: Sequence[Settlement]) -> None:
        size = self._gateway.rules.settlement_parties
        pages = [rows[at : at + size] for at in range(0, len(rows), size)]
        subtraders = self._gateway.exchange.members[session.user_id].subtraders
        names = {number: name for name, number in subtraders.items()}
        for number, page in enumerate(pages, start=1):
            first = page[0]
            fields: Fields = [
                (20105, str(uuid4())),
                (55, first.ticker),
                (715, _business_date(first.settled_ms)),
                (20106, str(len(pages))),
                (20107, first.result),
                (730, _cents(first.value or 0)),
                (20108, str(len(page))),
            ]
            for row in page:
                fields += _party(row, names.get(row.subaccount))
            session.send("UMS", [*fields, (893, "Y" if number == len(pages) else "N")])


def _party(row: Settlement, name: str | None) -> Fields:
    """One account: the member's id, with the subaccount's number behind it, or the subtrader's id."""
    party = name or (f"{row.user_id}-{row.subaccount}" if row.subaccount else row.user_id)
    return [
        (20109, party),
        (20110, CUSTOMER),
        (704, format_count_units(row.yes_count)),
        (705, format_count_units(row.no_count)),
        (1703, "1"),
        (1704, format_money_units(row.revenue)),
        (1705, "PAYOUT"),
        (136, "1"),
        (137, format_money_units(row.settlement_fee)),
        (138, "USD"),
        (139, "4"),
        (891, "0"),
    ]


def _cents(units: int) -> str:
    whole, rest = divmod(units, CENT_PRICE)
    return f"{whole}.{rest:02d}"


def _business_date(ms: int) -> str:
    """The day in New York."""
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(EASTERN).strftime("%Y%m%d")
