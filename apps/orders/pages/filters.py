"""What the blotter shows: a tab and a few filters, read from an address or a form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from apps.core.errors import DeskError
from apps.orders.models import BookSide, Order, OrderIntent
from apps.orders.tickets import SIDES

EXTERNAL = "external"
_TEXT_AT_MOST = 120
_NAMES = ("tab", "q", "side", "person", "subaccount")

# Tab -> words. "Unknown" comes second: whoever has one must see it.
TABS = (
    ("working", "Working"),
    ("unknown", "Unknown"),
    ("filled", "Filled"),
    ("cancelled", "Cancelled"),
    ("rejected", "Rejected"),
    ("all", "All"),
)
SIDE_WORDS = {side: side.replace("_", " ").upper() for side in SIDES}

_State = OrderIntent.State
# Of intents that no order is known of, and of orders. None: neither kind is in that tab.
INTENT_STATES: dict[str, tuple[str, ...] | None] = {
    "working": (_State.COMMITTED, _State.SENDING, _State.ACKED),
    "unknown": (_State.UNKNOWN, _State.NOT_SEEN),
    "filled": None,
    "cancelled": None,
    "rejected": (_State.REFUSED,),
    "all": tuple(_State.values),
}
ORDER_STATUSES: dict[str, tuple[str, ...] | None] = {
    "working": (Order.Status.RESTING,),
    "unknown": None,
    "filled": (Order.Status.EXECUTED,),
    "cancelled": (Order.Status.CANCELED,),
    "rejected": None,
    "all": tuple(Order.Status.values),
}


@dataclass(frozen=True, slots=True)
class BlotterFilter:
    """text: part of a ticker, or the start of an order id; person: a user's row id or "external"; "" is any."""

    tab: str = "working"
    text: str = ""
    side: str = ""
    person: str = ""
    subaccount: str = ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.side or self.person or self.subaccount)

    @property
    def book_side(self) -> str:
        return SIDES[self.side][0].value if self.side else ""

    def query(self, **over: str) -> str:
        """Return the same choice as a query string, without what is at its default."""
        values = {"tab": self.tab, "q": self.text, "side": self.side, "person": self.person}
        values |= {"subaccount": self.subaccount} | over
        return urlencode(
            {name: value for name, value in values.items() if value and (name, value) != ("tab", "working")}
        )


def filter_from(values: Mapping[str, Any]) -> BlotterFilter:
    """Raises DeskError `bad_input` with what is not a choice."""
    chosen = {name: str(values.get(name, "")).strip()[:_TEXT_AT_MOST] for name in _NAMES}
    faults: dict[str, str] = {}
    if chosen["tab"] not in ("", *dict(TABS)):
        faults["tab"] = "There is no such tab."
    if chosen["side"] and chosen["side"] not in SIDES:
        faults["side"] = f"A side is one of {', '.join(SIDES)}."
    if chosen["person"] and chosen["person"] != EXTERNAL and not _is_row_id(chosen["person"]):
        faults["person"] = "Choose a person from the list."
    if chosen["subaccount"] and not (_is_row_id(chosen["subaccount"]) and len(chosen["subaccount"]) <= 5):
        faults["subaccount"] = "Choose a subaccount from the list."
    if "\x00" in chosen["q"]:
        faults["q"] = "Search for part of a ticker or an order id."
    if faults:
        raise DeskError("bad_input", " ".join(faults.values()), fields=faults)
    return BlotterFilter(
        tab=chosen["tab"] or "working",
        text=chosen["q"],
        side=chosen["side"],
        person=chosen["person"],
        subaccount=chosen["subaccount"],
    )


def entered_side(entered_as: str, book_side: str) -> str:
    """Return how an order is called: as it was entered, or as buying the outcome that it buys."""
    return entered_as or ("buy_yes" if book_side == BookSide.BID else "buy_no")


def _is_row_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
