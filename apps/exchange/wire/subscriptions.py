"""From the set of markets we want to the commands that get them. Sans-I/O, one per connection.

Per channel one command is in flight at a time; each answer leads to the next difference between
what is wanted and what is subscribed. The exchange allows one subscription per channel and
connection (error 6), so markets are added to it and taken from it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from apps.exchange.wire.books import Books
from apps.exchange.wire.events import Alarm, Event, MarketUnknown
from apps.exchange.wire.schemas.ws import Answer

BOOK_CHANNEL = "orderbook_delta"
BATCH = 100  # markets per command
SMALLEST_BATCH = 10
ANSWER_TIMEOUT = 5.0  # seconds
_PATIENCE = 5  # failures in a row before the connection is given up
_RETRY_LIMIT = 30.0
# Seconds before a refused channel is asked for again: the cause is a key or a bug, not the moment.
_REFUSED_PAUSE = 60.0
_UNKNOWN_PAUSE = 60.0  # before a market that the exchange did not know is asked for again

# Error codes (docs:quick_start_websockets) by what helps. All others are refusals.
RETRY_CODES = frozenset({10, 17, 18})
ALREADY_SUBSCRIBED, UNKNOWN_SID, MARKET_NOT_FOUND, OVERFLOW = 6, 7, 16, 25

Kind = Literal["subscribe", "add", "delete", "unsubscribe", "list", "snapshot"]


@dataclass(slots=True)
class Command:
    channel: str
    kind: Kind
    tickers: tuple[str, ...]
    sent_at: float


@dataclass(slots=True)
class Channel:
    """wanted: None means the whole channel, without a market filter."""

    name: str
    wanted: set[str] | None = field(default_factory=set)
    sid: int | None = None
    subscribed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)  # markets that the exchange does not know (yet)
    unknown_until: float = 0.0
    renew: set[str] = field(default_factory=set)  # take out and add again
    foreign_sids: list[int] = field(default_factory=list)
    is_ending: bool = False
    waiting_for: int | None = None  # id of the command in flight
    batch: int = BATCH
    most: int = BATCH
    failures: int = 0
    retry_at: float = 0.0

    @property
    def is_wanted(self) -> bool:
        return self.wanted is None or bool(self.wanted - self.unknown)


class Owner(Protocol):
    """What the session decides when subscriptions change."""

    def books_lost(self) -> None: ...
    def give_up(self, reason: str) -> None: ...


class Subscriptions:
    """emit: takes events for the session's owner. books: told what is asked for and let go.
    options: channel -> further params of its subscription.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        books: Books,
        emit: Callable[[Event], None],
        wanted: dict[str, set[str] | None],
        now: float,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.commands: list[bytes] = []
        self.book_sid: int | None = None  # the one sid whose book frames count
        self.channels = {name: Channel(name, wanted=tickers) for name, tickers in wanted.items()}
        self._owner = owner
        self._options = options or {}
        self._books = books
        self._emit = emit
        self._now = now
        self._sent: dict[int, Command] = {}
        self._next_id = 1
        self._step_all()

    # --- inputs -----------------------------------------------------------------------------

    def want(self, channel: str, tickers: set[str] | None) -> None:
        state = self.channels.setdefault(channel, Channel(channel))
        if (state.wanted is None) != (tickers is None) and state.sid is not None:
            state.is_ending = True  # a filter cannot be added to, or taken from, a subscription
        state.wanted = tickers
        state.unknown &= tickers or set()
        self._step(state)

    def tick(self, now: float) -> None:
        self._now = now
        for channel in self.channels.values():
            command = self._sent.get(channel.waiting_for) if channel.waiting_for is not None else None
            if command is not None and now - command.sent_at > ANSWER_TIMEOUT:
                channel.waiting_for = None
                self._fail(channel, "a command got no answer")
            if channel.unknown and now > channel.unknown_until:
                channel.unknown.clear()
        self._step_all()

    def snapshot(self, tickers: Iterable[str]) -> list[str]:
        """Ask for whole books, in batches; return the tickers that were asked for."""
        channel = self.channels.get(BOOK_CHANNEL)
        if channel is None or channel.sid is None or channel.is_ending:
            return []
        asked = sorted(channel.subscribed & set(tickers))
        for start in range(0, len(asked), channel.batch):
            batch = asked[start : start + channel.batch]
            params = {"sid": channel.sid, "action": "get_snapshot", "market_tickers": batch}
            self._send(channel, "snapshot", tuple(batch), "update_subscription", params, wait=False)
        return asked

    def renew(self, tickers: Iterable[str]) -> None:
        """Take these markets of the book channel out of the subscription and add them again."""
        channel = self.channels.get(BOOK_CHANNEL)
        if channel is not None:
            channel.renew |= channel.subscribed & set(tickers)
            self._step(channel)

    def answer(self, answer: Answer) -> None:
        """Take in subscribed, ok, unsubscribed or error."""
        command = self._sent.pop(answer.id, None) if answer.id else None
        if answer.type == "unsubscribed":
            self._unsubscribed(answer, command)
            return
        if command is None:
            if answer.type == "error":
                self._error_without_command(_code(answer.msg), answer.msg)
            return
        channel = self.channels[command.channel]
        if channel.waiting_for == answer.id:
            channel.waiting_for = None
        if answer.type == "error":
            self._error(channel, command, _code(answer.msg), answer.msg)
        else:
            self._done(channel, command, answer)
        self._step(channel)

    # --- answers ----------------------------------------------------------------------------

    def _done(self, channel: Channel, command: Command, answer: Answer) -> None:
        channel.failures = 0
        if command.kind == "subscribe":
            sid = answer.sid if answer.sid is not None else _field(answer.msg, "sid")
            if not isinstance(sid, int):
                self._fail(channel, "a subscription was confirmed without its sid")
                return
            if channel.sid not in (None, sid):
                channel.foreign_sids.append(sid)  # a late answer: the repeated command won
                return
            channel.sid = sid
            channel.subscribed = set(command.tickers)
            if channel.name == BOOK_CHANNEL:
                self.book_sid = sid
        elif command.kind == "add":
            channel.subscribed |= set(command.tickers)
        elif command.kind == "delete":
            channel.subscribed -= set(command.tickers)
        elif command.kind == "list" and isinstance(answer.msg, list):
            sids = [_field(row, "sid") for row in answer.msg if _field(row, "channel") == channel.name]
            channel.foreign_sids = [sid for sid in sids if isinstance(sid, int) and sid != channel.sid]
            if not channel.foreign_sids:
                self._fail(channel, "subscribed already, by a subscription that is not listed")
        if command.kind in ("subscribe", "add"):
            channel.batch = min(channel.most, channel.batch * 2)

    def _unsubscribed(self, answer: Answer, command: Command | None) -> None:
        for channel in self.channels.values():
            if channel.waiting_for is not None and channel.waiting_for == answer.id:
                channel.waiting_for = None
            if answer.sid is not None and answer.sid in channel.foreign_sids:
                channel.foreign_sids.remove(answer.sid)
            elif channel.sid is not None and channel.sid == answer.sid:
                self._lost(channel)
        if command is not None:
            self._step(self.channels[command.channel])

    def _error(self, channel: Channel, command: Command, code: int, msg: Any) -> None:
        if code == MARKET_NOT_FOUND and command.kind in ("subscribe", "add"):
            self._exclude(channel, command, _field(msg, "market_ticker"))
        elif code == MARKET_NOT_FOUND and command.kind == "delete":
            channel.subscribed -= set(command.tickers)
        elif code == OVERFLOW:
            self._overflow(channel)
        elif code == ALREADY_SUBSCRIBED and command.kind == "subscribe":
            self._send(channel, "list", (), "list_subscriptions", None)
        elif code == UNKNOWN_SID and channel.foreign_sids:
            channel.foreign_sids.pop(0)
        elif code == UNKNOWN_SID:
            self._lost(channel)
        elif code in RETRY_CODES:
            if command.kind != "snapshot":  # a missing snapshot has a watchdog of its own
                self._fail(channel, f"error {code} of the exchange")
        elif command.kind == "snapshot":
            if code != MARKET_NOT_FOUND:  # then the watchdog subscribes it anew and finds out
                self._end(channel)
        else:
            channel.retry_at = self._now + _REFUSED_PAUSE
            self._emit(Alarm(f"error_{code}", f"{channel.name}: {command.kind} was refused with error {code}."))

    def _error_without_command(self, code: int, msg: Any) -> None:
        books = self.channels.get(BOOK_CHANNEL)
        if books is None and len(self.channels) == 1:
            books = next(iter(self.channels.values()))
        if code == OVERFLOW and books is not None:
            self._overflow(books)
        elif code == UNKNOWN_SID or code in RETRY_CODES:
            # It does not say which subscription broke; the books (or the only channel) cannot tell.
            if books is not None and books.sid is not None:
                self._end(books)
        else:
            self._emit(Alarm(f"error_{code}", f"The exchange reported error {code}."))

    def _exclude(self, channel: Channel, command: Command, named: object) -> None:
        culprit = named if named in command.tickers else None
        if culprit is None and len(command.tickers) == 1:
            culprit = command.tickers[0]
        if isinstance(culprit, str):
            channel.unknown.add(culprit)
            channel.unknown_until = self._now + _UNKNOWN_PAUSE
            self._books.drop((culprit,))
            self._emit(MarketUnknown(culprit))
        else:
            channel.batch = max(1, len(command.tickers) // 2)  # halve until it is alone

    def _overflow(self, channel: Channel) -> None:
        """The subscription's buffer at the exchange ran over: start anew in smaller steps."""
        if channel.is_ending:
            return
        channel.most = channel.batch = max(SMALLEST_BATCH, channel.most // 2)
        channel.retry_at = self._now + 1.0
        self._emit(Alarm("overflow", f"{channel.name}: too much at once; now {channel.most} markets per step."))
        self._end(channel)

    # --- steps ------------------------------------------------------------------------------

    def _step_all(self) -> None:
        for channel in self.channels.values():
            self._step(channel)

    def _step(self, channel: Channel) -> None:
        if channel.waiting_for is not None:
            return
        if channel.foreign_sids:
            self._send(channel, "unsubscribe", (), "unsubscribe", {"sids": channel.foreign_sids[:1]})
        elif channel.sid is not None and (channel.is_ending or not channel.is_wanted):
            self._forget_books(channel, channel.subscribed)
            self._send(channel, "unsubscribe", (), "unsubscribe", {"sids": [channel.sid]})
        elif self._now < channel.retry_at or not channel.is_wanted:
            return
        elif channel.sid is None:
            self._subscribe(channel)
        elif channel.wanted is not None:
            self._update(channel, channel.wanted)

    def _subscribe(self, channel: Channel) -> None:
        tickers = tuple(sorted((channel.wanted or set()) - channel.unknown)[: channel.batch])
        params: dict[str, Any] = {"channels": [channel.name]}
        if tickers:
            params["market_tickers"] = tickers
        if channel.name == BOOK_CHANNEL:
            # Explicit, although false is today's default: docs:order_direction announces that the
            # default will flip. False keeps NO bids in NO prices, as REST and the desk have them.
            params["use_yes_price"] = False
            self._books.ask(tickers, now=self._now)
        params.update(self._options.get(channel.name, {}))
        self._send(channel, "subscribe", tickers, "subscribe", params)

    def _update(self, channel: Channel, wanted: set[str]) -> None:
        add = sorted(wanted - channel.subscribed - channel.unknown)[: channel.batch]
        drop = sorted((channel.subscribed - wanted) | channel.renew)[: channel.batch]
        if add:
            self._change(channel, "add", "add_markets", tuple(add))
        elif drop and len(drop) == len(channel.subscribed):
            channel.is_ending = True  # all of them: an empty subscription means nothing
            self._step(channel)
        elif drop:
            self._change(channel, "delete", "delete_markets", tuple(drop))

    def _change(self, channel: Channel, kind: Kind, action: str, tickers: tuple[str, ...]) -> None:
        if kind == "delete":
            self._forget_books(channel, tickers)
        elif channel.name == BOOK_CHANNEL:
            self._books.ask(tickers, now=self._now)
        params = {"sid": channel.sid, "action": action, "market_tickers": tickers}
        self._send(channel, kind, tickers, "update_subscription", params)

    def _forget_books(self, channel: Channel, tickers: Iterable[str]) -> None:
        channel.renew -= set(tickers)
        if channel.name == BOOK_CHANNEL:
            self._books.drop(tickers)

    def _end(self, channel: Channel) -> None:
        """Unsubscribe, and subscribe again if it is still wanted."""
        if channel.name == BOOK_CHANNEL:
            self._owner.books_lost()
            self.book_sid = None
        channel.is_ending = channel.sid is not None
        self._step(channel)

    def _lost(self, channel: Channel) -> None:
        """The subscription does not exist any more."""
        if channel.name == BOOK_CHANNEL:
            if not channel.is_ending:
                self._owner.books_lost()
            self.book_sid = None
        channel.sid = None
        channel.is_ending = False
        channel.subscribed.clear()
        channel.renew.clear()

    def _fail(self, channel: Channel, why: str) -> None:
        channel.failures += 1
        channel.retry_at = self._now + min(_RETRY_LIMIT, 2.0**channel.failures / 2)
        if channel.failures >= _PATIENCE:
            self._owner.give_up(f"{channel.name}: {why}, {channel.failures} times in a row")

    def _send(
        self,
        channel: Channel,
        kind: Kind,
        tickers: tuple[str, ...],
        cmd: str,
        params: dict[str, Any] | None,
        *,
        wait: bool = True,
    ) -> None:
        number = self._next_id
        self._next_id += 1
        self._sent[number] = Command(channel.name, kind, tickers, self._now)
        if wait:
            channel.waiting_for = number
        command: dict[str, Any] = {"id": number, "cmd": cmd}
        if params is not None:
            command["params"] = params
        self.commands.append(msgspec.json.encode(command))


def _code(msg: Any) -> int:
    code = _field(msg, "code")
    return code if isinstance(code, int) else 0


def _field(value: Any, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None
