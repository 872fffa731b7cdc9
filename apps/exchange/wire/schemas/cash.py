"""Answers of the REST API (3.18.0) about money that moves without a trade: settlements, payments, transfers.

Units differ from field to field, as documented: `_cents`, `revenue` and `value` are whole cents, `_dollars`,
`fee_cost` and the balances of subaccounts decimal dollars; `_ts` are Unix seconds.
"""

from apps.exchange.wire.schemas.base import Wire


class SettlementRecord(Wire):
    """market_result: yes, no, scalar, void, or newer. revenue: whole cents paid. value: of one YES contract, cents.

    fee_cost: all fees of the position, those of its fills included. No subaccount: the question names it.
    """

    ticker: str
    market_result: str
    revenue: int
    settled_time: str
    event_ticker: str = ""
    yes_count_fp: str = "0.00"
    yes_total_cost_dollars: str = "0.000000"
    no_count_fp: str = "0.00"
    no_total_cost_dollars: str = "0.000000"
    fee_cost: str | None = None
    value: int | None = None


class PaymentRecord(Wire):
    """A deposit or a withdrawal. status: pending, applied, failed, returned; type: ach, wire, crypto, debit, apm."""

    id: str
    status: str
    amount_cents: int
    created_ts: int
    type: str = ""
    fee_cents: int = 0
    finalized_ts: int | None = None


class TransferRecord(Wire):
    """The client's own transfer id is not among the fields."""

    transfer_id: str
    from_subaccount: int
    to_subaccount: int
    amount_cents: int
    created_ts: int


class SubaccountBalance(Wire):
    """balance: dollars that new orders may use."""

    subaccount_number: int
    balance: str
    updated_ts: int | None = None


class SubaccountCreated(Wire):
    subaccount_number: int


class NettingConfig(Wire):
    subaccount_number: int
    enabled: bool
