"""One step of an order as a report that any session can write in its own way, and what is known of each order."""

from typing import Literal

import msgspec

from apps.paper.engine.units import Side

Kind = Literal["new", "trade", "canceled", "replaced"]
NO_EXEC_ID = "-1;-1"  # of pending reports and rejections, which have no place in the sequence


class Report(msgspec.Struct, array_like=True, frozen=True):
    """An execution report. (batch, place) is its ExecID. Counts, prices and money in the engine's units.

    leaves, cum, value (sum of YES price x count): after the step. original: the size that was asked for.
    text: why an order is over. folded: the acknowledgement of an order that trades at once. quiet: the end of a
    partly filled immediate-or-cancel order. last_*, fee and what follows: of a trade.
    """

    batch: int
    place: int
    ms: int
    user_id: str
    kind: Kind
    order_id: str
    client_order_id: str
    orig_client_order_id: str
    ticker: str
    side: Side
    price: int
    original: int
    leaves: int
    cum: int
    value: int
    subaccount: int
    expiration_ms: int | None = None
    text: str = ""
    origin: str = ""
    folded: bool = False
    quiet: bool = False
    last_price: int = 0
    last_count: int = 0
    is_taker: bool = False
    trade_id: str = ""
    fee: int = 0
    balance_change: int = 0
    post_position: int = 0

    @property
    def exec_id(self) -> str:
        return f"{self.batch};{self.place}"


class Known(msgspec.Struct, array_like=True):
    """An order as it was last reported. origin: the session that placed it. over: when it ended (ms), 0 while open."""

    order_id: str
    user_id: str
    client_order_id: str
    price: int
    original: int
    leaves: int
    cum: int = 0
    value: int = 0
    origin: str = ""
    over: int = 0
