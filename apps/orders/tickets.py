"""What a person asks for: an order ticket, read from a form or a socket command.

Only the shape is checked here (numbers are numbers, words are known words); whether the order may
be placed is `services.checks`. Everything that is wrong is told at once, by field.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_count, parse_price
from apps.core.permissions import Actor
from apps.core.timestamps import from_unix_ms, parse_rfc3339
from apps.orders.models import BookSide

GOOD_TILL_CANCELED = "good_till_canceled"
IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
FILL_OR_KILL = "fill_or_kill"
TIMES_IN_FORCE = (GOOD_TILL_CANCELED, IMMEDIATE_OR_CANCEL, FILL_OR_KILL)
SELF_TRADE_PREVENTIONS = ("taker_at_cross", "maker")
# side -> (book side on the YES leg, whether the price is in NO prices)
SIDES = {
    "buy_yes": (BookSide.BID, False),
    "sell_yes": (BookSide.ASK, False),
    "buy_no": (BookSide.ASK, True),
    "sell_no": (BookSide.BID, True),
}
MAX_SUBACCOUNT = 32_767
_MAX_TICKER = 120
_MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """One order as a person says it. price: dollars, in the prices of the chosen side."""

    idempotency_key: uuid.UUID
    account_id: int
    ticker: str
    side: str
    price: Decimal
    count: Decimal
    subaccount: int = 0
    time_in_force: str = GOOD_TILL_CANCELED
    expires_at: datetime | None = None
    is_post_only: bool = False
    is_reduce_only: bool = False
    cancel_on_pause: bool = False
    self_trade_prevention: str = SELF_TRADE_PREVENTIONS[0]
    order_group_id: str = ""  # the exchange's id of the group that it belongs to
    shown: str = ""  # what the preview showed, see services.shown; "": it is not checked

    @property
    def book_side(self) -> str:
        return SIDES[self.side][0].value

    @property
    def is_in_no_prices(self) -> bool:
        return SIDES[self.side][1]

    @property
    def yes_price(self) -> Decimal:
        """The price that is sent: buying NO at q is selling YES at 1 - q."""
        return 1 - self.price if self.is_in_no_prices else self.price

    def in_own_prices(self, yes_price: Decimal) -> Decimal:
        """Return a YES-leg price as the person sees it on this side."""
        return 1 - yes_price if self.is_in_no_prices else yes_price


def ticket_from_params(actor: Actor, params: Mapping[str, Any]) -> OrderTicket:
    """Read the parameters of `order.place`.

    The account and subaccount are the actor's selection; a ticket that was opened for others says so in
    `account_id` and `subaccount`, and is refused.

    Raises:
        DeskError: `bad_input` with every field that cannot be read; `no_account`; or
            `account_changed` when the ticket names an account that is no longer selected.
    """
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    for name, selected in (("account_id", actor.account_id), ("subaccount", actor.subaccount)):
        if params.get(name) not in (None, "", selected, str(selected)):
            raise DeskError(
                "account_changed",
                "Another account was selected since this ticket was opened. Look at the top bar, then send again.",
            )
    faults: dict[str, str] = {}

    def read(name: str, reader: Callable[[Any], Any], default: Any = None) -> Any:
        raw = params.get(name)
        if raw is None or raw == "":
            if default is None:
                faults[name] = "This is needed."
            return default
        try:
            return reader(raw)
        except (WireFormatError, ValueError) as exc:
            faults[name] = str(exc)
            return default

    values = {
        "idempotency_key": read("idempotency_key", read_key),
        "ticker": read("ticker", _ticker),
        "side": read("side", _one_of(tuple(SIDES))),
        "price": read("price", _price),
        "count": read("count", _count),
        "time_in_force": read("time_in_force", _one_of(TIMES_IN_FORCE), GOOD_TILL_CANCELED),
        "self_trade_prevention": read(
            "self_trade_prevention", _one_of(SELF_TRADE_PREVENTIONS), SELF_TRADE_PREVENTIONS[0]
        ),
        "is_post_only": read("post_only", _flag, False),
        "is_reduce_only": read("reduce_only", _flag, False),
        "cancel_on_pause": read("cancel_on_pause", _flag, False),
        "order_group_id": read("order_group_id", _name, ""),
        "shown": read("shown", read_shown, ""),
    }
    expires = params.get("expires_at")
    values["expires_at"] = None if expires in (None, "") else read("expires_at", _moment)
    if faults:
        raise DeskError("bad_input", "The ticket has fields that cannot be read.", fields=faults)
    return OrderTicket(account_id=actor.account_id, subaccount=actor.subaccount, **values)


def read_key(raw: object) -> uuid.UUID:
    """Read an idempotency key. Raises ValueError."""
    try:
        return uuid.UUID(str(raw))
    except ValueError as exc:
        raise ValueError("Not a key of a ticket: reload the page.") from exc


def _ticker(raw: object) -> str:
    if not isinstance(raw, str) or len(raw) > _MAX_TICKER or not raw.isprintable() or ":" in raw:
        raise ValueError("Not a market ticker.")
    return raw


def _name(raw: object) -> str:
    if not isinstance(raw, str) or len(raw) > _MAX_NAME or not raw.isprintable():
        raise ValueError("Not a name of the exchange.")
    return raw


def read_shown(raw: object) -> str:
    """Read what `order.preview` gave as `shown`. Raises ValueError."""
    if not isinstance(raw, str) or len(raw) > _MAX_NAME or not raw.isascii():
        raise ValueError("Not from a preview: look at the ticket again.")
    return raw


def _price(raw: object) -> Decimal:
    try:
        return parse_price(_string(raw))
    except WireFormatError as exc:
        raise ValueError("Give the price in dollars between 0 and 1, for example 0.56.") from exc


def _count(raw: object) -> Decimal:
    try:
        return parse_count(_string(raw))
    except WireFormatError as exc:
        raise ValueError("Give the number of contracts, for example 10.") from exc


def _string(raw: object) -> str:
    # A JSON number has been through a binary float on its way here.
    if not isinstance(raw, str):
        raise WireFormatError(f"expected a decimal string, was {type(raw).__name__}")
    return raw


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("Must be true or false.")
    return raw


def _moment(raw: object) -> datetime:
    """Unix milliseconds or RFC 3339; whole seconds, since that is what the exchange takes."""
    moment = from_unix_ms(raw) if isinstance(raw, int) else parse_rfc3339(str(raw))
    return moment.replace(microsecond=0)


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if raw not in words:
            raise ValueError(f"Must be one of {', '.join(words)}.")
        return str(raw)

    return read
