"""A statement: the cash at the start, every movement, the cash at the end, and what the exchange says it is.

The opening balance is the sum of all earlier movements, so it is right only when the history is complete; whether it is
shows at the end, where the sum must equal the exchange's own balance to the millionth. When it does not, the statement
says by how much, and is not called exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from apps.core.money import dollars_text
from apps.portfolio.holds import Hold, holds_of
from apps.portfolio.ledger import ZERO, Movement, Totals, cash_before, movements, newest_from, totals_of
from apps.portfolio.models import Balance
from apps.portfolio.services import clock_offset

Level = Literal["exact", "moving", "difference", "unknown"]
# What moved this shortly before or after a balance was read may or may not be in it.
NEAR = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Check:
    """The sum of all movements against the exchange's balance, as of `read_at` (our clock). Dollars.

    difference: exchange's cash and what working orders lock, less our sum; None: no balance was read.
    """

    level: Level
    read_at: datetime | None
    exchange: Decimal | None
    hold: Hold
    ours: Decimal
    difference: Decimal | None

    @property
    def words(self) -> str:
        """Say what the check found, in full sentences."""
        if self.level == "unknown" or self.exchange is None or self.difference is None:
            return "The exchange's balance has not been read yet, so this statement is not checked."
        orders = f" and {dollars_text(self.hold.dollars)} that {self.hold.orders} working orders lock"
        told = f"The exchange's cash is {dollars_text(self.exchange)}{orders if self.hold.orders else ''}"
        if self.level == "exact":
            return f"{told}; the sum of all movements is the same, to the millionth of a dollar."
        if self.level == "moving":
            return f"{told}; something moved while it was read. Make the statement again in a few seconds."
        ours = f"the sum of all movements is {dollars_text(self.ours)}"
        why = "" if self.hold.is_exact else " What the orders lock is without fees that are not known."
        return f"{told}; {ours}: a difference of {_exactly(self.difference)}.{why}"


@dataclass(frozen=True, slots=True)
class Line:
    """One movement and the balance after it."""

    movement: Movement
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """since inclusive, until exclusive. subaccount None: all together, where transfers move nothing."""

    account_id: int
    account_name: str
    environment: str
    subaccount: int | None
    since: datetime
    until: datetime
    opening: Decimal
    closing: Decimal
    totals: Totals
    check: Check
    made_at: datetime

    @property
    def closing_by_exchange(self) -> Decimal | None:
        """The exchange's balance rolled back to the end of the period; None when it was not read."""
        return None if self.check.difference is None else self.closing + self.check.difference

    def lines(self) -> Iterator[Line]:
        """Yield the lines oldest first, read from the database as they are asked for."""
        balance = self.opening
        for movement in movements(self.account_id, since=self.since, until=self.until, subaccount=self.subaccount):
            balance += movement.cash
            yield Line(movement, balance)

    def newest(self, most: int) -> list[Line]:
        """Return the last lines, newest first. Their balances are counted back from the closing balance."""
        since = newest_from(self.account_id, since=self.since, until=self.until, subaccount=self.subaccount, lines=most)
        part = list(movements(self.account_id, since=since, until=self.until, subaccount=self.subaccount))
        balance, found = self.closing, []
        for movement in reversed(part[-most:]):
            found.append(Line(movement, balance))
            balance -= movement.cash
        return found

    @property
    def name(self) -> str:
        """For a file: no spaces, nothing but letters, digits and dashes."""
        where = "all" if self.subaccount is None else f"subaccount-{self.subaccount}"
        return f"statement-{self.environment}-{where}-{self.since:%Y%m%d}-{self.until:%Y%m%d}"


def statement_make(
    account_id: int,
    *,
    account_name: str,
    environment: str,
    since: datetime,
    until: datetime,
    now: datetime,
    subaccount: int | None = None,
) -> Statement:
    """Sum a period up, in SQL, and check it."""
    opening = cash_before(account_id, moment=since, subaccount=subaccount)
    totals = totals_of(account_id, since=since, until=until, subaccount=subaccount)
    return Statement(
        account_id=account_id,
        account_name=account_name,
        environment=environment,
        subaccount=subaccount,
        since=since,
        until=until,
        opening=opening,
        closing=opening + totals.net,
        totals=totals,
        check=cash_check(account_id, subaccount=subaccount),
        made_at=now,
    )


def cash_check(account_id: int, *, subaccount: int | None = None) -> Check:
    """Compare the sum of all movements with the balances that were read last."""
    rows = Balance.objects.filter(account_id=account_id)
    balances = list(rows if subaccount is None else rows.filter(subaccount=subaccount))
    hold = holds_of(account_id, subaccount=subaccount)
    if not balances:
        return Check("unknown", None, None, hold, ZERO, None)
    # The oldest reading counts: later ones say the same unless something moved.
    read_at = min(row.seen_at for row in balances)
    at = read_at + clock_offset(account_id)
    ours = cash_before(account_id, moment=at + NEAR, subaccount=subaccount)
    exchange = sum((row.cash for row in balances), ZERO)
    difference = exchange + hold.dollars - ours
    level: Level = "exact"
    if difference:
        is_moving = any(movements(account_id, since=at - NEAR, until=at + 20 * NEAR, subaccount=subaccount))
        level = "moving" if is_moving else "difference"
    return Check(level, read_at, exchange, hold, ours, difference)


def _exactly(amount: Decimal) -> str:
    """A difference is never rounded away."""
    text = f"{abs(amount):,.6f}"
    whole, _, places = text.partition(".")
    places = places.rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}${whole}.{places}"
