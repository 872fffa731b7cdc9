"""What a request would cost and risk, said before it is sent. Nothing is stored or sent.

What is not known is None with a reason in words, never zero.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final, Literal

from apps.accounts.access import account_get_on
from apps.accounts.models import ExchangeAccount
from apps.core.combos import Bounds
from apps.core.errors import DeskError
from apps.core.fees import FeeNotKnown, FeeSchedule, fee_preview, schedule_for_market
from apps.core.money import cents_text
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome
from apps.core.sweep import Sweep
from apps.core.timestamps import utc_now
from apps.markets import builder
from apps.markets.fee_changes import series_fees
from apps.markets.models import Market
from apps.orders.access import require_on
from apps.orders.costs import schedule_of
from apps.orders.services.checks import holding_of
from apps.orders.services.limits import LimitUse
from apps.rfq.asks import Ask
from apps.rfq.models import Rfq
from apps.rfq.services import combos
from apps.rfq.services.book import Book, average_of, book_of
from apps.rfq.services.four_eyes import above, ask_size
from apps.rfq.services.limits import limits_use
from apps.rfq.services.requests import ask_place, ask_ready, rfq_check

ONE: Final = Decimal(1)
# Every maker has seen an earlier request in the same market: who asks again soon shows urgency.
REPEATED_WITHIN: Final = timedelta(minutes=10)
Basis = Literal["limit", "book", "bounds"]


@dataclass(frozen=True, slots=True)
class Fees:
    """Dollars for the whole size. maker: what a remainder that rests would pay instead; 0 where makers pay none."""

    one_fill: Decimal
    worst_split: Decimal
    maker: Decimal


@dataclass(frozen=True, slots=True)
class SidePreview:
    """Buying one outcome. price: what one contract is taken to cost, and by what; None: nothing says."""

    buys: Outcome
    sweep: Sweep | None
    price: Decimal | None
    basis: Basis | None
    contracts: Decimal | None
    fees: Fees | None

    @property
    def cost(self) -> Decimal | None:
        return None if self.price is None or self.contracts is None else self.price * self.contracts

    @property
    def max_loss(self) -> Decimal | None:
        return None if self.cost is None or self.fees is None else self.cost + self.fees.worst_split

    @property
    def max_win(self) -> Decimal | None:
        if self.contracts is None or self.max_loss is None:
            return None
        return self.contracts - self.max_loss


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """cash: of the subaccount; approval: why a second person has to approve it, "" when nobody has to."""

    ask: Ask
    book: Book
    sides: dict[Outcome, SidePreview]
    bounds: Bounds | None
    cash: Decimal | None
    limits: list[LimitUse]
    approval: str
    warnings: list[tuple[str, str]]
    refusal: DeskError | None
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def needed(self) -> Decimal | None:
        """Dollars that the dearer outcome takes, with its worst fee."""
        known = [side.max_loss or side.cost for side in self.sides.values()]
        return max((cost for cost in known if cost is not None), default=None)

    @property
    def is_funded(self) -> bool | None:
        return None if self.cash is None or self.needed is None else self.needed <= self.cash


def rfq_preview(actor: Actor, ask: Ask, *, now: datetime | None = None) -> RequestPreview:
    """Estimate a request. Raises NotAllowed, NotFound (another desk's account, no such market or collection)."""
    require_on(actor, Permission.RFQ_TRADE, ask.account_id, ask.subaccount)
    now = now or utc_now()
    account = account_get_on(actor, ask.account_id, ask.subaccount)
    ask = ask_ready(actor, ask)
    market = None
    if ask.ticker:
        market = (
            Market.objects.select_related("event").filter(environment=account.environment, ticker=ask.ticker).first()
        )
    book = book_of(account.environment, ask.ticker, now=now)
    bounds = combos.combo_bounds(account.environment, ask.legs) if ask.is_combo else None
    reasons: dict[str, str] = {}
    if not book.is_live:
        reasons["sweep"] = f"There is no live book: {book.why}" if book.why else "There is no live book."
    if ask.is_combo and bounds is None:
        reasons["bounds"] = "A leg has no price on both sides, or the legs contradict each other."
    schedule = None
    try:
        schedule = _schedule(account, ask, market, now=now)
    except FeeNotKnown as exc:
        reasons["fee"] = f"The fee is not known: {exc}."
    sides = {buys: _side(buys, ask, book, bounds, schedule) for buys in Outcome}
    if any(side.price is None for side in sides.values()):
        reasons["cost"] = "Neither a limit nor the book says what it may cost."
    cash = holding_of(account.pk, ask.subaccount, ask.ticker).cash
    if cash is None:
        reasons["cash"] = "The balance is not known yet."
    refusal = None
    try:
        rfq_check(actor, ask, now=now)
    except DeskError as exc:
        refusal = exc
    return RequestPreview(
        ask=ask,
        book=book,
        sides=sides,
        bounds=bounds,
        cash=cash,
        limits=limits_use(account, user_id=actor.user_id, size=ask_size(ask), kind="request", **ask_place(ask)),
        approval=above(actor.desk_id, ask_size(ask)),
        warnings=_warnings(actor, account, ask, book, now=now),
        refusal=refusal,
        reasons=reasons,
    )


def _side(buys: Outcome, ask: Ask, book: Book, bounds: Bounds | None, schedule: FeeSchedule | None) -> SidePreview:
    swept = book.sweep(buys, contracts=ask.contracts, target_cost=ask.target_cost)
    price, basis = _price(buys, ask, book, swept, bounds)
    contracts = ask.contracts
    if contracts is None and price and ask.target_cost is not None:
        contracts = (ask.target_cost / price).to_integral_value(rounding=ROUND_DOWN)
    fees = None
    if schedule is not None and price is not None and contracts:
        fees = fees_of(schedule, buys=buys, price=price, contracts=contracts)
    return SidePreview(buys, swept, price, basis, contracts, fees)


def _price(
    buys: Outcome, ask: Ask, book: Book, swept: Sweep | None, bounds: Bounds | None
) -> tuple[Decimal | None, Basis | None]:
    """The most that one contract should cost: the own limit, else the book's sweep, else what the legs allow."""
    limit = ask.limit_yes if buys is Outcome.YES else ask.limit_no
    if limit is not None:
        return limit, "limit"
    if swept is not None and swept.is_whole:
        return average_of(swept), "book"
    top = book.yes_ask if buys is Outcome.YES else (None if book.yes_bid is None else ONE - book.yes_bid)
    if top is not None:
        return top, "book"
    if bounds is not None:
        # A chance of nothing still costs something; a price is above 0 and below $1.
        dearest = bounds.highest if buys is Outcome.YES else ONE - bounds.lowest
        return min(max(dearest, Decimal("0.0001")), Decimal("0.9999")).quantize(Decimal("0.0001")), "bounds"
    return None, None


def fees_of(
    schedule: FeeSchedule, *, buys: Outcome, price: Decimal, contracts: Decimal, is_maker: bool = False
) -> Fees:
    """Return the fees of buying contracts at `price` each: the exchange enters the taker's side of an execution."""
    side: Literal["bid", "ask"] = "bid" if buys is Outcome.YES else "ask"
    yes_price = price if buys is Outcome.YES else ONE - price
    told = fee_preview(schedule, book_side=side, price=yes_price, count=contracts, is_taker=not is_maker)
    resting = fee_preview(schedule, book_side=side, price=yes_price, count=contracts, is_taker=False)
    # A split into hundredths of a contract throughout would be a fee that nobody has ever paid.
    return Fees(told.single, max(told.single, told.by_contract), resting.single)


def _schedule(account: ExchangeAccount, ask: Ask, market: Market | None, *, now: datetime) -> FeeSchedule:
    """Of the market; of a combo that is not made yet, of its collection's series. Raises FeeNotKnown."""
    if market is not None:
        return schedule_of(market, now=now)
    if not ask.is_combo:
        raise FeeNotKnown("the market is not known here")
    name = builder.collection_get(account.environment, ask.collection).series_ticker
    series = series_fees(account.environment, name)
    if series is None:
        raise FeeNotKnown(f"the series {name} has not been read yet")
    return schedule_for_market(series.at(now), now=now)


def _warnings(actor: Actor, account: ExchangeAccount, ask: Ask, book: Book, *, now: datetime) -> list[tuple[str, str]]:
    found = []
    if ask.ticker:
        asked = Rfq.objects.filter(
            desk_id=actor.desk_id,
            account__environment=account.environment,
            ticker=ask.ticker,
            created_at__gt=now - REPEATED_WITHIN,
            rfq_id__isnull=False,
        )
        last = asked.order_by("-created_at").first()
        if last is not None:
            minutes = int((now - last.created_at).total_seconds() // 60)
            when = "less than a minute ago" if minutes < 1 else f"{minutes} minute{'' if minutes == 1 else 's'} ago"
            text = f"Your desk asked in this market {when}. Every maker saw it, and sees this one: that gives you away."
            found.append(("repeated", text))
    if ask.rest_remainder:
        text = "What is not filled becomes a public resting order at the price that you took."
        found.append(("rest_remainder", text))
    if book.spread is not None and not ask.is_combo and book.is_live and book.spread <= Decimal("0.01"):
        text = f"The book is {cents_text(book.spread)} wide: an order may do as well, and shows less."
        found.append(("tight_book", text))
    return found
