"""What the exchange says about settlements, payments and transfers. Pure data, no I/O.

Dollars throughout: whole cents of the wire are turned into dollars here.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_dollars
from apps.core.timestamps import from_unix_seconds, parse_rfc3339
from apps.exchange.wire.schemas.cash import PaymentRecord, SettlementRecord, TransferRecord


@dataclass(frozen=True, slots=True)
class SettlementReport:
    """What one subaccount was paid for one market. value: of one YES contract, cut to whole cents."""

    subaccount: int
    ticker: str
    event_ticker: str
    result: str
    yes_count: Decimal
    yes_cost: Decimal
    no_count: Decimal
    no_cost: Decimal
    revenue: Decimal
    fees: Decimal | None
    value: Decimal | None
    settled_at: datetime

    @property
    def identity(self) -> tuple[int, str, datetime]:
        return self.subaccount, self.ticker, self.settled_at


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """A deposit or a withdrawal. finalized_at: when it came to its status, None while pending."""

    payment_id: str
    status: str
    method: str
    amount: Decimal
    fee: Decimal
    created_at: datetime
    finalized_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferReport:
    transfer_id: str
    from_subaccount: int
    to_subaccount: int
    amount: Decimal
    created_at: datetime


def settlement_from_rest(record: SettlementRecord, *, subaccount: int) -> SettlementReport:
    """Read a row of GET /portfolio/settlements?subaccount=n, which does not name the subaccount itself.

    Raises WireFormatError.
    """
    return SettlementReport(
        subaccount=subaccount,
        ticker=record.ticker,
        event_ticker=record.event_ticker,
        result=record.market_result,
        yes_count=parse_count(record.yes_count_fp),
        yes_cost=parse_dollars(record.yes_total_cost_dollars),
        no_count=parse_count(record.no_count_fp),
        no_cost=parse_dollars(record.no_total_cost_dollars),
        revenue=dollars_of_cents(record.revenue),
        fees=None if record.fee_cost is None else parse_dollars(record.fee_cost),
        value=None if record.value is None else dollars_of_cents(record.value),
        settled_at=parse_rfc3339(record.settled_time),
    )


def payment_from_rest(record: PaymentRecord) -> PaymentReport:
    """Read a row of GET /portfolio/deposits or withdrawals. Raises WireFormatError."""
    return PaymentReport(
        payment_id=_named(record.id),
        status=record.status,
        method=record.type,
        amount=dollars_of_cents(record.amount_cents),
        fee=dollars_of_cents(record.fee_cents),
        created_at=from_unix_seconds(record.created_ts),
        finalized_at=from_unix_seconds(record.finalized_ts) if record.finalized_ts else None,
    )


def transfer_from_rest(record: TransferRecord) -> TransferReport:
    """Read a row of GET /portfolio/subaccounts/transfers. Raises WireFormatError."""
    if min(record.from_subaccount, record.to_subaccount) < 0:
        raise WireFormatError(f"not a subaccount: {record.from_subaccount}, {record.to_subaccount}")
    return TransferReport(
        transfer_id=_named(record.transfer_id),
        from_subaccount=record.from_subaccount,
        to_subaccount=record.to_subaccount,
        amount=dollars_of_cents(record.amount_cents),
        created_at=from_unix_seconds(record.created_ts),
    )


def dollars_of_cents(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _named(identity: str) -> str:
    if not identity:
        raise WireFormatError("a record without an id")
    return identity
