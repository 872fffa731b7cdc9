"""Every movement of cash, one line each, as the exchange reported it: fills, fees, settlements, payments, transfers.

Cash of a fill: a bid pays its price for each contract, an ask one dollar minus it, and each pair of YES and NO that
comes together is redeemed for a dollar; the fee goes off. Sums before a moment are made in SQL, the lines of a period
are streamed, so that neither holds a year of fills in memory. Dollars, exchange clock.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from django.db.models import Count, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Sum

from apps.core.fields import MoneyField
from apps.core.money import count_text, count_units
from apps.orders.models import BookSide, Fill
from apps.portfolio.models import Deposit, Settlement, Transfer, Withdrawal

Kind = Literal["fill", "settlement", "correction", "deposit", "withdrawal", "return", "transfer"]
KINDS: dict[Kind, str] = {
    "fill": "Fills",
    "settlement": "Settlements",
    "correction": "Corrected settlements",
    "deposit": "Deposits",
    "withdrawal": "Withdrawals",
    "return": "Returned payments",
    "transfer": "Transfers",
}
ZERO = Decimal(0)
_PRIMARY = 0  # payments come to and go from it


@dataclass(frozen=True, slots=True)
class Movement:
    """One line. gross: before the fee; cash = gross - fee; of all subaccounts together a transfer moves nothing."""

    at: datetime
    kind: Kind
    subaccount: int
    text: str
    gross: Decimal
    fee: Decimal
    reference: str
    ticker: str = ""

    @property
    def cash(self) -> Decimal:
        return self.gross - self.fee


# --- sums -----------------------------------------------------------------------------------------


def cash_before(account_id: int, *, moment: datetime, subaccount: int | None = None) -> Decimal:
    """Return the sum of everything that moved before `moment`, from the first record on."""
    total = _fills_sum(_fills(account_id, subaccount).filter(traded_at__lt=moment))
    settled = _settlements(account_id, subaccount)
    total += settled.filter(revision=1, settled_at__lt=moment).aggregate(sum=Sum("revenue"))["sum"] or ZERO
    total += sum((one.cash for one in _corrections(account_id, subaccount, None, moment)), ZERO)
    total += sum((one.cash for one in _payments(account_id, subaccount, None, moment)), ZERO)
    if subaccount is not None:
        moved = Transfer.objects.filter(account_id=account_id, created_at__lt=moment)
        total += moved.filter(to_subaccount=subaccount).aggregate(sum=Sum("amount"))["sum"] or ZERO
        total -= moved.filter(from_subaccount=subaccount).aggregate(sum=Sum("amount"))["sum"] or ZERO
    return total


@dataclass(slots=True)
class Totals:
    """Sums of a period by kind of movement; fees stand apart and go off."""

    gross: dict[Kind, Decimal] = field(default_factory=dict)
    fees: Decimal = ZERO
    lines: int = 0

    def add(self, kind: Kind, *, gross: Decimal, fee: Decimal = ZERO, lines: int = 1) -> None:
        if lines:
            self.gross[kind] = self.gross.get(kind, ZERO) + gross
            self.fees += fee
            self.lines += lines

    @property
    def net(self) -> Decimal:
        return sum(self.gross.values(), ZERO) - self.fees

    @property
    def rows(self) -> list[tuple[str, Decimal]]:
        """Words and sum of each kind that occurred."""
        return [(words, self.gross[kind]) for kind, words in KINDS.items() if kind in self.gross]


def totals_of(account_id: int, *, since: datetime, until: datetime, subaccount: int | None = None) -> Totals:
    """Return the sums of `movements` of a period, made in SQL."""
    totals = Totals()
    fills = _fills(account_id, subaccount)
    part = fills.filter(traded_at__gte=since, traded_at__lt=until).aggregate(lines=Count("pk"), fees=Sum("fee"))
    if part["lines"]:
        moved = _fills_sum(fills.filter(traded_at__lt=until)) - _fills_sum(fills.filter(traded_at__lt=since))
        totals.add("fill", gross=moved + part["fees"], fee=part["fees"], lines=part["lines"])
    settled = _settlements(account_id, subaccount).filter(revision=1, settled_at__gte=since, settled_at__lt=until)
    told = settled.aggregate(lines=Count("pk"), gross=Sum("revenue"))
    totals.add("settlement", gross=told["gross"] or ZERO, lines=told["lines"])
    for one in _others(account_id, subaccount, since, until):
        totals.add(one.kind, gross=one.gross, fee=one.fee)
    return totals


def newest_from(
    account_id: int, *, since: datetime, until: datetime, subaccount: int | None = None, lines: int
) -> datetime:
    """Return a moment of the period with at least `lines` movements after it, or its beginning."""
    fills = _fills(account_id, subaccount).filter(traded_at__gte=since, traded_at__lt=until)
    settled = _settlements(account_id, subaccount).filter(revision=1, settled_at__gte=since, settled_at__lt=until)
    times = [
        *fills.order_by("-traded_at").values_list("traded_at", flat=True)[:lines],
        *settled.order_by("-settled_at").values_list("settled_at", flat=True)[:lines],
        *(one.at for one in _others(account_id, subaccount, since, until)),
    ]
    times.sort(reverse=True)
    return times[lines - 1] if len(times) >= lines else since


def _fills_sum(fills: QuerySet[Fill]) -> Decimal:
    """In each market the lesser of both sides' sums is the number of pairs that were redeemed."""
    counts: dict[tuple[int, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    total = ZERO
    paid = Sum(ExpressionWrapper(F("yes_price") * F("count"), output_field=MoneyField()))
    rows = fills.order_by().values_list("subaccount", "ticker", "book_side")
    for number, ticker, side, count, cost, fee in rows.annotate(Sum("count"), paid=paid, fees=Sum("fee")):
        counts[number, ticker][side] += count
        total -= (cost if side == BookSide.BID else count - cost) + fee
    for sides in counts.values():
        total += min(sides[BookSide.BID], sides[BookSide.ASK])
    return total


def positions_before(account_id: int, *, moment: datetime, subaccount: int | None = None) -> dict[tuple[int, str], int]:
    """Return net contracts (1/100) by subaccount and market from the fills before `moment`, of markets not settled."""
    settled = Settlement.objects.filter(
        account_id=account_id, subaccount=OuterRef("subaccount"), ticker=OuterRef("ticker"), settled_at__lt=moment
    )
    fills = _fills(account_id, subaccount).filter(~Exists(settled), traded_at__lt=moment)
    held: dict[tuple[int, str], int] = defaultdict(int)
    rows = fills.order_by().values_list("subaccount", "ticker", "book_side").annotate(Sum("count"))
    for number, ticker, side, count in rows:
        held[number, ticker] += count_units(count) if side == BookSide.BID else -count_units(count)
    return held


# --- lines ----------------------------------------------------------------------------------------


def movements(
    account_id: int, *, since: datetime, until: datetime, subaccount: int | None = None
) -> Iterator[Movement]:
    """Yield what moved from `since` to before `until`, oldest first."""
    held = positions_before(account_id, moment=since, subaccount=subaccount)
    parts: list[Iterable[tuple[datetime, int, int, Any]]] = [
        _keyed(_fills(account_id, subaccount).filter(traded_at__gte=since, traded_at__lt=until), "traded_at", 0),
        _keyed(
            _settlements(account_id, subaccount).filter(revision=1, settled_at__gte=since, settled_at__lt=until),
            "settled_at",
            1,
        ),
    ]
    others = sorted(_others(account_id, subaccount, since, until), key=lambda one: one.at)
    parts.append([(one.at, 2, number, one) for number, one in enumerate(others)])
    for _, _, _, row in heapq.merge(*parts, key=lambda part: part[:3]):
        if isinstance(row, Fill):
            yield _fill_line(row, held)
        elif isinstance(row, Settlement):
            held[row.subaccount, row.ticker] = 0
            yield _settlement_line(row)
        else:
            yield row


def _others(account_id: int, subaccount: int | None, since: datetime, until: datetime) -> Iterator[Movement]:
    """What is few: all but fills and settlements."""
    yield from _corrections(account_id, subaccount, since, until)
    yield from _payments(account_id, subaccount, since, until)
    yield from _transfers(account_id, subaccount, since, until)


def _keyed(rows: QuerySet[Any], field: str, rank: int) -> Iterator[tuple[datetime, int, int, Any]]:
    for row in rows.order_by(field, "pk").iterator(chunk_size=2_000):
        yield getattr(row, field), rank, row.pk, row


def _fill_line(fill: Fill, held: dict[tuple[int, str], int]) -> Movement:
    key = (fill.subaccount, fill.ticker)
    is_bid = fill.book_side == BookSide.BID
    units = count_units(fill.count)
    before = held[key]
    held[key] = before + units if is_bid else before - units
    redeemed = Decimal(abs(before) + units - abs(held[key])) / 200
    leg = fill.yes_price if is_bid else 1 - fill.yes_price
    return Movement(
        at=fill.traded_at,
        kind="fill",
        subaccount=fill.subaccount,
        text=f"{_deed(is_bid, before, units)} {count_text(fill.count)} at ${_own_price(fill, is_bid, before, units)}",
        gross=redeemed - leg * fill.count,
        fee=fill.fee,
        reference=fill.trade_id,
        ticker=fill.ticker,
    )


def _deed(is_bid: bool, before: int, units: int) -> str:
    """Say it as people do: a bid against held NO contracts sells those."""
    if is_bid:
        return "Sold NO" if before <= -units else "Bought YES"
    return "Sold YES" if before >= units else "Bought NO"


def _own_price(fill: Fill, is_bid: bool, before: int, units: int) -> str:
    deed = _deed(is_bid, before, units)
    return f"{fill.yes_price if deed.endswith('YES') else 1 - fill.yes_price:.4f}"


def _settlement_line(row: Settlement) -> Movement:
    return Movement(
        at=row.settled_at,
        kind="settlement",
        subaccount=row.subaccount,
        text=f"Settled {row.result}: {_held(row)}",
        gross=row.revenue,
        fee=ZERO,
        reference=f"{row.ticker} {row.settled_at:%Y-%m-%dT%H:%M:%SZ}",
        ticker=row.ticker,
    )


def _held(row: Settlement) -> str:
    sides = [f"{count_text(count)} {side}" for count, side in ((row.yes_count, "YES"), (row.no_count, "NO")) if count]
    return " and ".join(sides) or "nothing held"


def _corrections(
    account_id: int, subaccount: int | None, since: datetime | None, until: datetime
) -> Iterator[Movement]:
    """The exchange corrected a settlement in place; the difference counts from when the desk first saw it."""
    later = _settlements(account_id, subaccount).filter(revision__gt=1, first_seen_at__lt=until)
    if since is not None:
        later = later.filter(first_seen_at__gte=since)
    for row in later.order_by("first_seen_at", "pk"):
        before = Settlement.objects.get(
            account_id=account_id,
            subaccount=row.subaccount,
            ticker=row.ticker,
            settled_at=row.settled_at,
            revision=row.revision - 1,
        )
        yield Movement(
            at=row.first_seen_at,
            kind="correction",
            subaccount=row.subaccount,
            text=f"Settlement corrected from {before.result} to {row.result}",
            gross=row.revenue - before.revenue,
            fee=ZERO,
            reference=f"{row.ticker} revision {row.revision}",
            ticker=row.ticker,
        )


def _payments(account_id: int, subaccount: int | None, since: datetime | None, until: datetime) -> Iterator[Movement]:
    if subaccount not in (None, _PRIMARY):
        return
    for deposit in Deposit.objects.filter(account_id=account_id).exclude(applied_at=None):
        yield from _payment(deposit, "deposit", deposit.amount, deposit.fee, since, until)
    for withdrawal in Withdrawal.objects.filter(account_id=account_id).exclude(applied_at=None):
        yield from _payment(withdrawal, "withdrawal", -withdrawal.amount, withdrawal.fee, since, until)


def _payment(
    row: Deposit | Withdrawal, kind: Kind, gross: Decimal, fee: Decimal, since: datetime | None, until: datetime
) -> Iterator[Movement]:
    method = row.method.upper() if row.method in ("ach", "apm") else row.method
    steps: list[tuple[datetime | None, Kind, str, Decimal, Decimal]] = [
        (row.applied_at, kind, f"{kind.capitalize()} by {method}" if method else kind.capitalize(), gross, fee)
    ]
    if row.status == "returned":
        steps.append((row.finalized_at, "return", f"{kind.capitalize()} returned", -gross, -fee))
    for at, step, text, amount, cost in steps:
        if at is not None and at < until and (since is None or at >= since):
            yield Movement(
                at=at, kind=step, subaccount=_PRIMARY, text=text, gross=amount, fee=cost, reference=row.payment_id
            )


def _transfers(account_id: int, subaccount: int | None, since: datetime, until: datetime) -> Iterator[Movement]:
    rows = Transfer.objects.filter(account_id=account_id, created_at__gte=since, created_at__lt=until)
    for row in rows.order_by("created_at", "pk"):
        text = f"From subaccount {row.from_subaccount} to {row.to_subaccount}"
        if subaccount is None:
            yield _transfer(row, row.from_subaccount, f"{text}: ${row.amount:,.2f}", ZERO)
        elif row.from_subaccount == subaccount:
            yield _transfer(row, subaccount, text, -row.amount)
        elif row.to_subaccount == subaccount:
            yield _transfer(row, subaccount, text, row.amount)


def _transfer(row: Transfer, number: int, text: str, amount: Decimal) -> Movement:
    return Movement(
        at=row.created_at,
        kind="transfer",
        subaccount=number,
        text=text,
        gross=amount,
        fee=ZERO,
        reference=row.transfer_id,
    )


def _fills(account_id: int, subaccount: int | None) -> QuerySet[Fill]:
    rows = Fill.objects.filter(account_id=account_id)
    return rows if subaccount is None else rows.filter(subaccount=subaccount)


def _settlements(account_id: int, subaccount: int | None) -> QuerySet[Settlement]:
    rows = Settlement.objects.filter(account_id=account_id)
    return rows if subaccount is None else rows.filter(subaccount=subaccount)
