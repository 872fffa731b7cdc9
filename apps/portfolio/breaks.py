"""Positions that differ from the exchange's: both numbers, since when, why most likely, and what resolves it.

The desk's figure is folded from its own fills and settlements (`MarketBook`), the exchange's is its own word
(`Position`). Contracts, cash paid out (cost less realised P&L, exact whichever way a partial close is rounded) and fees
must be the same. A difference younger than the grace is news on its way: the two come by different messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.portfolio.models import MarketBook, Position

Kind = Literal["no_fills", "contracts", "unsettled", "cash", "fees", "settlement", "payout"]
GRACE = timedelta(seconds=45)  # a position is read every 15 s, orders and fills every 30 s

CAUSES: dict[Kind, str] = {
    "no_fills": "The desk has no fill of this market: it was traded before the desk's history begins.",
    "contracts": "Fills are missing here, or the exchange moved contracts without a fill.",
    "unsettled": "The market has its result and the exchange lists no position, but no settlement is stored here yet.",
    "cash": "The same contracts, but what was paid for them differs: a fill is missing together with its opposite.",
    "fees": "The same contracts and cost, but other fees.",
    "settlement": "The market settled with other contracts than the desk's fills give.",
    "payout": "What was paid at the settlement does not follow from the result.",
}
RESOLUTIONS: dict[Kind, str] = {
    "no_fills": "Run the history sync of this account from the beginning.",
    "contracts": "Read again; if it stays, run the history sync and look at the market's fills.",
    "unsettled": "The next reading of settlements brings it; if it stays, run the history sync.",
    "cash": "Read again; if it stays, run the history sync and look at the market's fills.",
    "fees": "Read again; if it stays, compare the fees of the market's fills with the exchange's statement.",
    "settlement": "Run the history sync; until then the exchange's cost counts in the desk's figures.",
    "payout": "Look at the market's rules and result; the exchange's payout counts in the desk's figures.",
}


@dataclass(frozen=True, slots=True)
class Sums:
    """One side of a break. paid: dollars paid for the contracts and not got back yet: cost less realised P&L."""

    contracts: Decimal
    paid: Decimal | None
    fees: Decimal | None


@dataclass(frozen=True, slots=True)
class Break:
    subaccount: int
    ticker: str
    kind: Kind
    desk: Sums
    exchange: Sums
    since: datetime | None
    is_certain: bool  # older than the grace

    @property
    def key(self) -> str:
        return f"{self.subaccount}:{self.ticker}"

    @property
    def cause(self) -> str:
        return CAUSES[self.kind]

    @property
    def resolution(self) -> str:
        return RESOLUTIONS[self.kind]


def breaks_check(account_id: int, *, now: datetime | None = None) -> list[Break]:
    """Compare every market, keep since when each differs, and return the differences (certain or not)."""
    now = utc_now() if now is None else now
    found = {(one.subaccount, one.ticker): one for one in _differences(account_id, now=now)}
    books = MarketBook.objects.filter(account_id=account_id)
    for book in books.exclude(broken_since=None):
        if (book.subaccount, book.ticker) not in found:
            books.filter(pk=book.pk).update(broken_since=None)
    for subaccount, ticker in found:
        books.get_or_create(
            account_id=account_id,
            subaccount=subaccount,
            ticker=ticker,
            defaults={"folded_at": now, "broken_since": now},
        )
        books.filter(subaccount=subaccount, ticker=ticker, broken_since=None).update(broken_since=now)
    return breaks_of(account_id, now=now)


def breaks_of(account_id: int, *, now: datetime | None = None) -> list[Break]:
    """Return the positions that differ now, by ticker; reads only."""
    now = utc_now() if now is None else now
    return _differences(account_id, now=now)


def _differences(account_id: int, *, now: datetime) -> list[Break]:
    books = {
        (row.subaccount, row.ticker): row
        for row in MarketBook.objects.filter(account_id=account_id)
        if row.contracts or not row.settled_by or _is_odd(row) or row.broken_since
    }
    positions = {(row.subaccount, row.ticker): row for row in Position.objects.filter(account_id=account_id)}
    decided = _decided(account_id, books, positions)
    found = []
    for key in sorted(books.keys() | positions.keys(), key=lambda one: (one[1], one[0])):
        kind = _kind(books.get(key), positions.get(key))
        if kind == "contracts" and key[1] in decided and not positions[key].position:
            kind = "unsettled"
        if kind is not None:
            found.append(_break(key, kind, books.get(key), positions.get(key), now=now))
    return found


def _decided(
    account_id: int, books: Mapping[tuple[int, str], MarketBook], positions: Mapping[tuple[int, str], Position]
) -> set[str]:
    """Return the markets with a result of which only the desk still has contracts."""
    left = {key[1] for key, row in books.items() if row.contracts and key in positions and not positions[key].position}
    if not left:
        return set()
    environments = ExchangeAccount.objects.filter(pk=account_id).values("environment")
    known = Market.objects.filter(environment__in=environments, ticker__in=left).exclude(result="")
    return set(known.values_list("ticker", flat=True))


def _is_odd(book: MarketBook) -> bool:
    return book.settled_held != book.settled_told or book.is_paid_as_computed is False


def _kind(book: MarketBook | None, position: Position | None) -> Kind | None:
    if book is not None and book.settled_by:
        # Of a settled market the exchange lists no position any more; its settlement is its last word.
        if book.settled_held != book.settled_told:
            return "settlement"
        return "payout" if book.is_paid_as_computed is False else None
    if position is None:
        # The exchange lists no position: either flat, or not read yet.
        return None
    if book is None or not book.fills:
        return "no_fills" if position.position else None
    if position.position != book.contracts:
        return "contracts"
    if not position.position:
        # Flat: the listing may have left it out, so that its other figures are those of before.
        return None
    if position.cost - position.realized_pnl != book.cost - book.realized_pnl:
        return "cash"
    return "fees" if position.fees_paid != book.fees else None


def _break(
    key: tuple[int, str], kind: Kind, book: MarketBook | None, position: Position | None, *, now: datetime
) -> Break:
    since = book.broken_since if book else None
    if kind in ("settlement", "payout") and book is not None:
        desk = Sums(book.settled_held or Decimal(0), None, book.fees)
        exchange = Sums(book.settled_told or Decimal(0), None, None)
    else:
        desk = Sums(Decimal(0), Decimal(0), Decimal(0))
        if book is not None:
            desk = Sums(book.contracts, book.cost - book.realized_pnl, book.fees)
        exchange = Sums(Decimal(0), None, None)
        if position is not None:
            exchange = Sums(position.position, position.cost - position.realized_pnl, position.fees_paid)
    is_certain = since is not None and now - since >= GRACE
    return Break(key[0], key[1], kind, desk, exchange, since, is_certain)
