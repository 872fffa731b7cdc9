"""What a WebSocket channel is: a description that session and hub follow.

A channel lives in a module of its own and is entered in `channel_list.py`; nothing here knows one by name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from apps.paper.server.hub import Hub
    from apps.paper.server.session import Session

Action = Literal["add_markets", "delete_markets", "get_snapshot"]
MARKET_ACTIONS: frozenset[Action] = frozenset({"add_markets", "delete_markets"})


class CommandError(Exception):
    """A command was refused with one of the public codes (messages.ERROR_TEXTS)."""

    def __init__(self, code: int, *, ticker: str = "", market_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.ticker = ticker
        self.market_id = market_id


class Params(msgspec.Struct):
    """`params` of any command; which of them a command or a channel reads is its own matter."""

    channels: list[str] | None = None
    market_ticker: str | None = None
    market_tickers: list[str] | None = None
    market_id: str | None = None
    market_ids: list[str] | None = None
    send_initial_snapshot: bool = False
    skip_ticker_ack: bool = False
    use_yes_price: bool = False
    shard_factor: int | None = None
    shard_key: int | None = None
    sid: int | None = None
    sids: list[int] | None = None
    action: str | None = None

    @property
    def names_by_id(self) -> bool:
        """Whether the markets are named by market id."""
        return self.market_id is not None or bool(self.market_ids)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    markets: whether a subscription names markets: it must, it may (none means all), or what it names is ignored.
    private: needs access that a key may lack (code 9). by_id: takes market_id and market_ids.
    numbered: frames carry `seq`. actions: of `update_subscription`.
    check: refuses a subscription's own parameters with CommandError.
    send_state: sends the present state of the given markets to one subscription, at the start (`state_at_start`, or
        when `send_initial_snapshot` asks for it), for added markets, and on `get_snapshot`.
    on: event type of the engine -> what to tell the subscribers (`Hub.publish`).
    """

    name: str
    markets: Literal["required", "optional", "ignored"] = "ignored"
    private: bool = False
    by_id: bool = False
    numbered: bool = False
    actions: frozenset[Action] = frozenset()
    check: Callable[[Params], None] | None = None
    send_state: "Callable[[Hub, Subscription, Iterable[str]], None] | None" = None
    state_at_start: bool = False
    on: "Mapping[type, Callable[[Hub, Any], None]]" = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Subscription:
    """tickers: each with whether it was named by market id; None means every market. params: of `subscribe`."""

    sid: int
    kind: Channel
    session: "Session"
    tickers: dict[str, bool] | None
    params: Params
    seq: int = 0

    @property
    def channel(self) -> str:
        return self.kind.name

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq


MAX_SHARDS = 100


def check_shards(params: Params) -> None:
    """Refuse `shard_factor` and `shard_key` that do not fit together (codes 19 to 22); for `Channel.check`."""
    factor, key = params.shard_factor, params.shard_key
    if factor is None:
        if key is not None:
            raise CommandError(20)
        return
    if factor <= 0:
        raise CommandError(19)
    if factor > MAX_SHARDS:
        raise CommandError(22)
    if key is not None and not 0 <= key < factor:
        raise CommandError(21)
