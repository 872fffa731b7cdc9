"""Order entry: D, F, G, q as the desk writes them; 8, 9, r, j, 3 as it reads them. Source: docs:fix/order-entry."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from apps.core.errors import WireFormatError
from apps.core.timestamps import to_unix_ms
from apps.fix.engine.codec import Fields, Message
from apps.fix.engine.validate import Entry
from apps.fix.engine.values import decimal_read, decimal_write, flag_read, moment_read, timestamp_write, whole_read
from apps.fix.messages.common import (
    ExecId,
    Prices,
    account_fields,
    body,
    book_side_of,
    count_write,
    decimal_or_none,
    integer_or_none,
    side_of,
)

LIMIT: Final = "2"
POST_ONLY: Final = "6"
TIMES_IN_FORCE: Final = {"day": "0", "gtc": "1", "ioc": "3", "fok": "4", "gtd": "6"}
PENDING: Final = frozenset({"A", "6", "E"})
LONGEST_ID: Final = 64


@dataclass(frozen=True, slots=True)
class NewOrder:
    """NewOrderSingle (D). price: dollars on the YES leg; count: contracts.

    time_in_force: a key of TIMES_IN_FORCE; "gtd" needs `expires_at`.
    max_cost: dollars (21009); the order is cancelled when it cannot fill within it.
    """

    client_order_id: str
    ticker: str
    book_side: str
    price: Decimal
    count: Decimal
    time_in_force: str = "gtc"
    expires_at: datetime | None = None
    post_only: bool = False
    subaccount: int = 0
    order_group_id: str = ""
    maker_self_trade: bool = False
    cancel_on_pause: bool = False
    max_cost: Decimal | None = None

    def fields(self, prices: Prices) -> Fields:
        """Raises WireFormatError for what cannot be written exactly."""
        if self.time_in_force not in TIMES_IN_FORCE:
            raise WireFormatError(f"no time in force: {self.time_in_force!r}")
        if (self.time_in_force == "gtd") != (self.expires_at is not None):
            raise WireFormatError("a time of expiry goes with good-till-date, and only with it")
        expiry = [(126, timestamp_write(to_unix_ms(self.expires_at)))] if self.expires_at else []
        return [
            (11, _id(self.client_order_id)),
            *([(18, POST_ONLY)] if self.post_only else []),
            (38, count_write(self.count)),
            (40, LIMIT),
            (44, prices.write(self.price, self.book_side)),
            (54, side_of(self.book_side)),
            (55, self.ticker),
            (59, TIMES_IN_FORCE[self.time_in_force]),
            *expiry,
            *account_fields(self.subaccount),
            *([(526, self.order_group_id)] if self.order_group_id else []),
            *([(2964, "2")] if self.maker_self_trade else []),
            *([(21006, "Y")] if self.cancel_on_pause else []),
            *([(21009, decimal_write(self.max_cost))] if self.max_cost is not None else []),
        ]


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """OrderCancelRequest (F). client_order_id: of this request; original_id: ClOrdID of the order."""

    client_order_id: str
    original_id: str
    ticker: str
    book_side: str
    order_id: str = ""
    subaccount: int = 0

    def fields(self) -> Fields:
        return [
            (11, _id(self.client_order_id)),
            *([(37, self.order_id)] if self.order_id else []),
            (41, _id(self.original_id)),
            (54, side_of(self.book_side)),
            (55, self.ticker),
            *account_fields(self.subaccount),
        ]


@dataclass(frozen=True, slots=True)
class ReplaceOrder:
    """OrderCancelReplaceRequest (G). count: the new total, filled contracts included; price None: as it is."""

    client_order_id: str
    original_id: str
    ticker: str
    book_side: str
    count: Decimal
    price: Decimal | None = None
    order_id: str = ""
    subaccount: int = 0

    def fields(self, prices: Prices) -> Fields:
        return [
            (11, _id(self.client_order_id)),
            *([(37, self.order_id)] if self.order_id else []),
            (38, count_write(self.count)),
            (40, LIMIT),
            (41, _id(self.original_id)),
            *([(44, prices.write(self.price, self.book_side))] if self.price is not None else []),
            (54, side_of(self.book_side)),
            (55, self.ticker),
            *account_fields(self.subaccount),
        ]


def mass_cancel_fields(client_order_id: str) -> Fields:
    """OrderMassCancelRequest (q) of the whole session; KalshiNR only."""
    return [(11, _id(client_order_id)), (530, "6")]


@dataclass(frozen=True, slots=True)
class Trade:
    """What an ExecutionReport of a trade adds. price: dollars; fee: dollars; long/short: position after it."""

    trade_id: str
    price: Decimal
    count: Decimal
    is_taker: bool | None
    fee: Decimal
    long_count: Decimal | None
    short_count: Decimal | None
    collateral: tuple[tuple[Decimal, str], ...]


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """ExecutionReport (8). Prices in dollars on the YES leg, counts in contracts, times by the exchange's clock."""

    exec_id: ExecId
    exec_type: str
    order_status: str
    order_id: str
    client_order_id: str
    original_id: str
    ticker: str
    book_side: str
    count: Decimal
    filled: Decimal
    remaining: Decimal
    average_price: Decimal
    price: Decimal | None
    text: str
    reject_reason: int | None
    transacted_at: datetime | None
    expires_at: datetime | None
    subaccount: int
    trade: Trade | None
    possible_resend: bool = False

    @property
    def is_pending(self) -> bool:
        return self.exec_type in PENDING or not self.exec_id.is_sequenced

    @property
    def is_rejected(self) -> bool:
        return self.exec_type == "8"

    @classmethod
    def read(cls, message: Message, prices: Prices) -> "ExecutionReport":
        """Raises WireFormatError."""
        entry = body(message, "8")
        price, side = entry.text(44), book_side_of(entry.text(54))
        filled = decimal_read(entry.text(14))
        return cls(
            exec_id=ExecId.read(entry.text(17)),
            exec_type=entry.text(150),
            order_status=entry.text(39),
            order_id=entry.text(37),
            client_order_id=entry.text(11),
            original_id=entry.text(41),
            ticker=entry.text(55),
            book_side=side,
            count=decimal_read(entry.text(38)),
            filled=filled,
            remaining=decimal_read(entry.text(151)),
            average_price=prices.read(entry.text(6), side) if filled else Decimal(0),
            price=prices.read(price, side) if price else None,
            text=entry.text(58),
            reject_reason=integer_or_none(entry, 103),
            transacted_at=moment_read(entry.text(60)) if entry.text(60) else None,
            expires_at=moment_read(entry.text(126)) if entry.text(126) else None,
            subaccount=integer_or_none(entry, 79) or 0,
            trade=_trade(entry, prices, side) if entry.text(150) == "F" else None,
            possible_resend=message.is_set(97),
        )


def _trade(entry: Entry, prices: Prices, side: str) -> Trade:
    needed = {"LastPx": 31, "LastQty": 32, "TrdMatchID": 880}
    missing = [name for name, tag in needed.items() if not entry.text(tag)]
    if missing:
        raise WireFormatError(f"a trade without {', '.join(missing)}")
    aggressor = entry.text(1057)
    return Trade(
        trade_id=entry.text(880),
        price=prices.read(entry.text(31), side),
        count=decimal_read(entry.text(32)),
        is_taker=flag_read(aggressor) if aggressor else None,
        fee=_sum(decimal_read(fee.text(137)) for fee in entry.entries(136)),
        long_count=decimal_or_none(entry, 704),
        short_count=decimal_or_none(entry, 705),
        collateral=tuple((decimal_read(one.text(1704)), one.text(1705)) for one in entry.entries(1703)),
    )


@dataclass(frozen=True, slots=True)
class CancelReject:
    """OrderCancelReject (9): a cancel or replacement that was refused. response_to: "1" cancel, "2" replace."""

    order_id: str
    client_order_id: str
    original_id: str
    order_status: str
    response_to: str
    reason: int | None
    text: str

    @classmethod
    def read(cls, message: Message) -> "CancelReject":
        entry = body(message, "9")
        return cls(
            order_id=entry.text(37),
            client_order_id=entry.text(11),
            original_id=entry.text(41),
            order_status=entry.text(39),
            response_to=entry.text(434),
            reason=integer_or_none(entry, 102),
            text=entry.text(58),
        )


@dataclass(frozen=True, slots=True)
class MassCancelReport:
    """OrderMassCancelReport (r). Reports of each cancelled order follow by themselves."""

    client_order_id: str
    operation_id: str
    is_accepted: bool
    reason: int | None

    @classmethod
    def read(cls, message: Message) -> "MassCancelReport":
        entry = body(message, "r")
        return cls(entry.text(11), entry.text(37), entry.text(531) == "6", integer_or_none(entry, 532))


@dataclass(frozen=True, slots=True)
class Refusal:
    """BusinessMessageReject (j) or Reject (3): the message of this number was not executed."""

    ref_seq: int
    ref_type: str
    reason: int | None
    is_business: bool
    text: str
    ref_tag: int | None = None
    ref_id: str = ""

    @property
    def is_rate_limit(self) -> bool:
        return self.is_business and self.reason == 8

    @property
    def is_listener_refused(self) -> bool:
        return self.is_business and self.reason == 6

    @classmethod
    def read(cls, message: Message) -> "Refusal":
        """Raises WireFormatError. What it refers to may be missing (0 and "")."""
        kind = message.msg_type
        if kind not in ("j", "3"):
            raise WireFormatError(f"expected j or 3, was {kind[:10]!r}")
        reference = message.text(45)
        return cls(
            ref_seq=whole_read(reference) if reference else 0,
            ref_type=message.text(372),
            reason=message.whole(380 if kind == "j" else 373),
            is_business=kind == "j",
            text=message.text(58),
            ref_tag=message.whole(371),
            ref_id=message.text(379),
        )


def _id(value: str) -> str:
    if not 1 <= len(value) <= LONGEST_ID:
        raise WireFormatError(f"an id has 1 to {LONGEST_ID} characters, was {value[:70]!r}")
    return value


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
