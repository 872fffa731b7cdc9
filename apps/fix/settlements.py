"""Settlement reports (UMS) of a session: put together from their parts, then told beside the ledger."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from apps.core import ports
from apps.core.durability import reaches_disk_later
from apps.core.errors import WireFormatError
from apps.core.money import format_count
from apps.core.timestamps import from_unix_ms
from apps.fix.engine.codec import Message
from apps.fix.messages.post_trade import Assembler, SettlementReport

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Settlements:
    """One per session. A part that is lost is seen by its absence: REST lists the settlement, and FIX does not."""

    account_id: int
    parts: Assembler = field(default_factory=Assembler)

    @reaches_disk_later()
    def take(self, messages: Iterable[Message], now_ms: int) -> int:
        """Take parts; tell what is whole, and return how many. In the database thread."""
        whole = 0
        for message in messages:
            try:
                done = self.parts.add(SettlementReport.read(message), now_ms)
            except WireFormatError as exc:
                logger.warning("a settlement report of account %s cannot be read: %s", self.account_id, exc)
                continue
            if done is not None:
                whole += 1
                for tell in ports.fix_settlements:
                    tell(self.account_id, summed(done), from_unix_ms(now_ms))
        return whole


def summed(parts: tuple[SettlementReport, ...]) -> dict[str, str]:
    """Return one market's settlement over all its parties: what the account held and was paid."""
    parties = [party for part in parts for party in part.parties]
    paid = sum((amount for party in parties for amount, _ in party.changes), Decimal(0))
    return {
        "ticker": parts[0].ticker,
        "subaccount": "0",
        "result": parts[0].result,
        "value": str(parts[0].price),
        "yes_count": format_count(sum((party.long_count for party in parties), Decimal(0))),
        "no_count": format_count(sum((party.short_count for party in parties), Decimal(0))),
        "payout": str(paid),
    }
