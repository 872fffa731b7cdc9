"""What we could bid on a request that somebody looks at: by the first rule that matches, else a plain default."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.accounts.models import ExchangeAccount
from apps.core import ports
from apps.core.errors import WireFormatError
from apps.core.grid import PriceGrid
from apps.core.quoting import Pricing, bids
from apps.core.rfq import QuotePrices
from apps.rfq.reports import RfqReport
from apps.rfq.services.fair import Fair, Valuation
from apps.rfq.services.market_facts import FactsCache
from apps.rfq.services.rule_book import LiveRule
from apps.rfq.services.rule_queue import queue
from apps.rfq.services.stream import Entry

# Where no rule speaks: two cents to us on either side of the best fair value there is.
DEFAULT = Pricing(edge_yes=Decimal("0.02"), edge_no=Decimal("0.02"), min_width=Decimal("0.02"))


@dataclass(frozen=True, slots=True)
class Suggested:
    """prices None: the fair value or the price steps are not known. rule: its name, or ""."""

    fair: Fair
    position: Decimal | None
    prices: QuotePrices | None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class AccountSuggestions:
    """Suggestions for the requests of one frame."""

    valuation: Valuation
    facts: FactsCache
    positions: Mapping[str, Decimal] | None
    rules: Sequence[LiveRule]
    now: datetime

    def of(self, report: RfqReport) -> Suggested:
        closes_at = self.facts.of(report.ticker).closes_at
        rule = next(
            (
                one
                for one in self.rules
                if one.terms.match.fits(report) and one.terms.match.fits_closing(closes_at, self.now)
            ),
            None,
        )
        source = "" if rule is None else rule.terms.source.value
        fair = self.valuation.fair_of(report.ticker, report.legs, source)
        position = None if self.positions is None else self.positions.get(report.ticker)
        pricing = DEFAULT if rule is None else rule.terms.quoting.pricing
        return Suggested(
            fair, position, self._prices(report, fair, position, pricing), "" if rule is None else rule.name
        )

    def _prices(self, report: RfqReport, fair: Fair, position: Decimal | None, pricing: Pricing) -> QuotePrices | None:
        if fair.value is None or not 0 < fair.value < 1:
            return None
        try:
            grid = PriceGrid.from_ranges(self.facts.of(report.ticker).ranges)
        except WireFormatError:
            return None
        made = bids(pricing, grid, fair=fair.value, position=position or Decimal(0))
        return made if made.problem() is None else None


class Suggester:
    def wanted(self, environment: str, fresh: Iterable[Entry]) -> set[str]:
        """Return the ids of the new requests that a rule of this installation may answer."""
        book = queue.book
        if not book.has_rules(environment):
            return set()
        return {entry.report.rfq_id for entry in fresh if book.candidates(environment, entry.report)}

    def for_account(
        self,
        account: ExchangeAccount,
        tickers: Iterable[str],
        valuation: Valuation,
        facts: FactsCache,
        *,
        now: datetime,
    ) -> AccountSuggestions:
        """Read what an account holds of these markets (its first subaccount)."""
        held = next((lookup(account.pk, 0, list(tickers)) for lookup in ports.positions), None)
        return AccountSuggestions(valuation, facts, held, queue.book.of_account(account.pk), now)
