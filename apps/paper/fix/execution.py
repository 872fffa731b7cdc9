"""ExecutionReport (35=8) and OrderCancelReject (35=9) as a session with its logon flags gets them."""

from dataclasses import dataclass, replace
from typing import Literal

from apps.core.money import format_count_units, format_money_units, format_price_units
from apps.paper.engine.units import CENT_PRICE, DOLLAR_PRICE, Side
from apps.paper.fix.codec import Fields
from apps.paper.fix.reports import NO_EXEC_ID, Report
from apps.paper.fix.validation import format_time

EXPIRY_REASONS = frozenset({"EXPIRED", "CLOSE_CANCEL"})
EXPIRY_TEXTS = {"EXPIRED": "ORDER_EXPIRY_CANCEL"}


@dataclass(frozen=True, slots=True)
class Style:
    """How a session wants its reports: logon flags, the leg of prices on side 2, and names of subtraders.

    replaced_status: OrdStatus of a replaced order is Replaced (margin), not how much of it is filled.
    parties: subaccount -> subtrader id, of FCM members.
    """

    dollars: bool = False
    expired_status: bool = False
    ioc_cancels: bool = False
    original_qty: bool = False
    new_before_trade: bool = False
    replaced_status: bool = False
    sell_price: Literal["yes", "no"] = "yes"
    parties: tuple[tuple[int, str], ...] = ()

    def wants(self, report: Report) -> bool:
        """Whether the session gets this report at all."""
        return (not report.folded or self.new_before_trade) and (not report.quiet or self.ioc_cancels)

    def price(self, units: int, side: Side) -> str:
        """A price of the YES leg as the session writes it."""
        if side == "ask" and self.sell_price == "no":
            units = DOLLAR_PRICE - units
        return price_text(units, dollars=self.dollars)

    def account(self, subaccount: int) -> Fields:
        """AllocAccount, and the party for a subtrader."""
        fields = [(79, str(subaccount))] if subaccount else []
        name = dict(self.parties).get(subaccount)
        return fields if name is None else [(453, "1"), (448, name), (452, "24"), *fields]


def price_text(units: int, *, dollars: bool) -> str:
    """Dollars with four places, or cents: whole ones where they are whole."""
    if dollars:
        return format_price_units(units)
    whole, rest = divmod(units, CENT_PRICE)
    return str(whole) if not rest else f"{whole}.{rest:02d}".rstrip("0")


def side_code(side: Side) -> str:
    return "1" if side == "bid" else "2"


def execution(report: Report, style: Style) -> Fields:
    """The body of a report that has an ExecID."""
    expired = style.expired_status and report.text in EXPIRY_REASONS
    over = "C" if expired else "4"
    partly = "5" if style.replaced_status else "1" if report.cum else "0"
    exec_type = {"new": "0", "trade": "F", "replaced": "5", "canceled": over}[report.kind]
    status = {"new": "0", "replaced": partly, "canceled": over, "trade": "1" if report.leaves else "2"}[report.kind]
    quantity = report.original if style.original_qty else report.cum + report.leaves
    average = (2 * report.value + report.cum) // (2 * report.cum) if report.cum else 0
    fields: Fields = [
        (37, report.order_id),
        (11, report.client_order_id),
        (17, report.exec_id),
        (150, exec_type),
        (39, status),
        (54, side_code(report.side)),
        (55, report.ticker),
        (151, format_count_units(report.leaves)),
        (14, format_count_units(report.cum)),
        (6, style.price(average, report.side) if report.cum else price_text(0, dollars=style.dollars)),
        (38, format_count_units(quantity)),
        (44, style.price(report.price, report.side)),
        (60, format_time(report.ms)),
    ]
    if report.kind in ("replaced", "canceled") and report.orig_client_order_id:
        fields.append((41, report.orig_client_order_id))
    if report.text:
        fields.append((58, EXPIRY_TEXTS.get(report.text, report.text)))
    if report.expiration_ms is not None:
        fields.append((126, format_time(report.expiration_ms)))
    fields += style.account(report.subaccount)
    return fields + _trade(report, style) if report.kind == "trade" else fields


def _trade(report: Report, style: Style) -> Fields:
    return [
        (31, style.price(report.last_price, report.side)),
        (32, format_count_units(report.last_count)),
        (136, "1"),
        (137, format_money_units(report.fee)),
        (138, "USD"),
        (139, "4"),
        (891, "0"),
        (704, format_count_units(max(0, report.post_position))),
        (705, format_count_units(max(0, -report.post_position))),
        (1703, "1"),
        (1704, format_money_units(report.balance_change)),
        (1705, "BALANCE"),
        (880, report.trade_id),
        (1057, "Y" if report.is_taker else "N"),
    ]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order request said, for the answers that have no ExecID. Texts as given."""

    client_order_id: str
    order_id: str
    ticker: str
    side: str
    quantity: str
    price: str
    account: Fields
    orig_client_order_id: str = ""
    cum: int = 0
    leaves: int = 0
    value: int = 0

    @property
    def book_side(self) -> Side:
        return "bid" if self.side == "1" else "ask"


def pending(asked: Asked, status: Literal["A", "6", "E"], style: Style, *, ms: int) -> Fields:
    """The request has come and waits: Pending New, Pending Cancel, Pending Replace."""
    return _unnumbered(asked, exec_type=status, status=status, style=style, ms=ms)


def rejected(asked: Asked, *, reason: int, text: str, style: Style, ms: int) -> Fields:
    """A new order was refused."""
    over = replace(asked, leaves=0)
    return [*_unnumbered(over, exec_type="8", status="8", style=style, ms=ms), (103, str(reason)), (58, text)]


def _unnumbered(asked: Asked, *, exec_type: str, status: str, style: Style, ms: int) -> Fields:
    average = (2 * asked.value + asked.cum) // (2 * asked.cum) if asked.cum else 0
    fields: Fields = [
        (37, asked.order_id),
        (11, asked.client_order_id),
        (17, NO_EXEC_ID),
        (150, exec_type),
        (39, status),
        (54, asked.side),
        (55, asked.ticker),
        (151, format_count_units(asked.leaves)),
        (14, format_count_units(asked.cum)),
        (6, style.price(average, asked.book_side) if asked.cum else price_text(0, dollars=style.dollars)),
        (38, asked.quantity),
    ]
    if asked.price:
        fields.append((44, asked.price))
    if asked.orig_client_order_id:
        fields.append((41, asked.orig_client_order_id))
    return [*fields, (60, format_time(ms)), *asked.account]
