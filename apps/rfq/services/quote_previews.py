"""What a quote would be worth and risk, said before it is sent. Nothing is stored or sent."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Final

from apps.accounts.access import account_get_on
from apps.core.errors import DeskError, WireFormatError
from apps.core.fees import FeeNotKnown
from apps.core.grid import PriceGrid
from apps.core.money import cents_text
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome, worst_contracts
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders.access import require_on
from apps.orders.costs import schedule_of
from apps.orders.services.checks import holding_of
from apps.orders.services.limits import LimitUse
from apps.rfq.models import IncomingRfq
from apps.rfq.offers import Offer
from apps.rfq.services.book import Book, book_of
from apps.rfq.services.fair import Fair, fair_of
from apps.rfq.services.four_eyes import above, offer_size
from apps.rfq.services.limits import limits_use
from apps.rfq.services.previews import Fees, fees_of
from apps.rfq.services.quotes import quote_check, quote_place

ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class BidPreview:
    """One of our two bids, dollars. below, above: its neighbours on the grid; snapped: itself, or the next lower one.

    A hit leaves us `contracts` (at worst) of the outcome at the bid. edge: fair value less the bid, a contract.
    """

    outcome: Outcome
    bid: Decimal
    snapped: Decimal | None
    below: Decimal | None
    above: Decimal | None
    contracts: Decimal | None
    position_after: Decimal | None
    exposure_after: Decimal | None
    edge: Decimal | None
    crosses: Decimal | None  # the price in the book that a resting order at this bid would meet
    fees: Fees | None  # as the maker of the execution

    @property
    def cost(self) -> Decimal | None:
        return None if self.contracts is None else self.bid * self.contracts


@dataclass(frozen=True, slots=True)
class QuotePreview:
    offer: Offer
    sides: dict[Outcome, BidPreview]
    book: Book
    fair: Fair
    cash: Decimal | None
    position: Decimal | None
    limits: list[LimitUse]
    approval: str
    warnings: list[tuple[str, str]]
    refusal: DeskError | None
    reasons: dict[str, str] = field(default_factory=dict)


def quote_preview(actor: Actor, offer: Offer, incoming: IncomingRfq, *, now: datetime | None = None) -> QuotePreview:
    """Estimate a quote. Raises NotAllowed, NotFound (another desk's account)."""
    require_on(actor, Permission.RFQ_TRADE, offer.account_id, offer.subaccount)
    now = now or utc_now()
    account = account_get_on(actor, offer.account_id, offer.subaccount)
    market = (
        Market.objects.select_related("event").filter(environment=account.environment, ticker=incoming.ticker).first()
    )
    book = book_of(account.environment, incoming.ticker, now=now)
    fair = fair_of(account.environment, actor.desk_id, incoming.ticker, incoming.legs, "", now)
    holding = holding_of(account.pk, offer.subaccount, incoming.ticker)
    reasons: dict[str, str] = {}
    if fair.value is None:
        reasons["edge"] = fair.why
    if holding.position is None:
        reasons["position_after"] = "The position is not known yet."
    sides = {
        outcome: _bid(outcome, offer, incoming, market, book, fair, holding.position, reasons, now=now)
        for outcome in Outcome
    }
    refusal = None
    try:
        quote_check(actor, offer, incoming, now=now)
    except DeskError as exc:
        refusal = exc
    size = offer_size(incoming, offer.prices)
    return QuotePreview(
        offer=offer,
        sides=sides,
        book=book,
        fair=fair,
        cash=holding.cash,
        position=holding.position,
        limits=limits_use(account, user_id=actor.user_id, size=size, kind="quote", **quote_place(incoming)),
        approval=above(actor.desk_id, size),
        warnings=_warnings(offer, sides),
        refusal=refusal,
        reasons=reasons,
    )


def _bid(
    outcome: Outcome,
    offer: Offer,
    incoming: IncomingRfq,
    market: Market | None,
    book: Book,
    fair: Fair,
    position: Decimal | None,
    reasons: dict[str, str],
    *,
    now: datetime,
) -> BidPreview:
    is_yes = outcome is Outcome.YES
    bid = offer.prices.yes_bid if is_yes else offer.prices.no_bid
    snapped, below, higher = _neighbours(market, bid, is_yes=is_yes)
    contracts = None
    if bid:
        contracts = incoming.contracts
        if contracts is None and incoming.target_cost is not None:
            worst = worst_contracts(target_cost=incoming.target_cost, bid=bid)
            contracts = None if worst is None else worst.quantize(Decimal("0.01"), rounding=ROUND_UP)
    after = exposure = None
    if position is not None and contracts is not None:
        after = position + (contracts if is_yes else -contracts)
        # What is held against it is closed first and frees money; the rest can lose what it costs.
        held_against = max(-position if is_yes else position, Decimal(0))
        exposure = max(contracts - held_against, Decimal(0)) * bid
    fees = None
    if market is not None and bid and contracts:
        try:
            schedule = schedule_of(market, now=now)
            fees = fees_of(schedule, buys=outcome, price=bid, contracts=contracts, is_maker=True)
        except FeeNotKnown as exc:
            reasons["fee"] = f"The fee is not known: {exc}."
        except ValueError:
            reasons["fee"] = "The fee of this price cannot be computed."
    worth = None if fair.value is None else (fair.value if is_yes else ONE - fair.value)
    meets = book.yes_ask if is_yes else (None if book.yes_bid is None else ONE - book.yes_bid)
    return BidPreview(
        outcome=outcome,
        bid=bid,
        snapped=snapped,
        below=below,
        above=higher,
        contracts=contracts,
        position_after=after,
        exposure_after=exposure,
        edge=None if worth is None or not bid else worth - bid,
        crosses=meets if bid and meets is not None and bid >= meets else None,
        fees=fees,
    )


def _neighbours(
    market: Market | None, bid: Decimal, *, is_yes: bool
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return (itself or the next lower bid, the one below, the one above) on the grid."""
    if market is None:
        return None, None, None
    try:
        grid = PriceGrid.from_ranges(market.price_ranges)
    except WireFormatError:
        return None, None, None
    if is_yes:
        return (grid.floor(bid) if bid else None), grid.next_down(bid), grid.next_up(bid)
    # A NO bid at q is a YES offer at 1 - q: that price is on the grid, and higher there is lower here.
    at = ONE - bid
    return (_no(grid.ceil(at)) if bid else None), _no(grid.next_up(at)), _no(grid.next_down(at))


def _no(yes_price: Decimal | None) -> Decimal | None:
    return None if yes_price is None else ONE - yes_price


def _warnings(offer: Offer, sides: dict[Outcome, BidPreview]) -> list[tuple[str, str]]:
    found = []
    for outcome, side in sides.items():
        name = outcome.upper()
        if side.crosses is not None:
            met = f"The {name} bid meets {cents_text(side.crosses)} in the book"
            end = "post-only cancels it." if offer.post_only else "it may trade there instead of with who asked."
            found.append(("crosses", f"{met}: {end}"))
        if side.edge is not None and side.edge < 0:
            found.append(("negative_edge", f"{name} is bid {cents_text(-side.edge)} above its fair value."))
    if not offer.prices.yes_bid or not offer.prices.no_bid:
        quoted = "YES" if offer.prices.yes_bid else "NO"
        if offer.prices.yes_bid or offer.prices.no_bid:
            found.append(("one_sided", f"Only {quoted} is quoted: who asked learns which way you lean."))
    return found
