"""The WebSocket session as state without I/O: frames and ticks in, commands and events out.

`transport.py` puts a socket around it, `fold_book` recorded files, tests a list. Rules:

* A book is live from its snapshot on, until a frame of its subscription is missing. `seq` counts
  frames of a whole subscription (`sid`), so one gap makes all books of the sid stale and leads to
  one round of get_snapshot, in batches.
* A frame that was applied already is dropped; a delta before its snapshot is dropped.
* A level below zero, a crossed book or an unreadable frame costs the book, never the process.
* Frames seconds old make the whole feed stale ("late") until it has caught up.
* Silence makes it stale, and in the end closes the connection (`line`).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from apps.core.book import BookCorrupt, SequenceGap, SequenceTracker, levels_from_wire
from apps.core.errors import WireFormatError
from apps.exchange.wire import events
from apps.exchange.wire.books import Books, LiveBook
from apps.exchange.wire.schemas.decode import Decoded, FrameUnusable, Message, decode, decode_delta
from apps.exchange.wire.schemas.ws import Answer, OrderbookDelta, OrderbookSnapshot
from apps.exchange.wire.subscriptions import BOOK_CHANNEL, Subscriptions
from apps.exchange.wire.units import LEVEL_PRICES, SIGNED_COUNTS
from apps.exchange.wire.watch import Watch

SNAPSHOT_WITHIN = 5.0  # seconds
_ALARM_EVERY = 30.0
_UNREADABLE_MOST = 20  # frames of one connection that may be unreadable before it is closed
MAX_FRAME = 8 * 1024 * 1024  # bytes


class Session:
    """A feed: one connection at a time, and its books over all of them.

    Times named `now` are monotonic seconds, `recv_ms` Unix milliseconds of our clock. Not safe
    between threads. After any input, `poll` when `has_output` is true (and at the pace at which
    changed books are wanted). options: channel -> further params of its subscription.
    """

    def __init__(
        self,
        *,
        now: float = 0.0,
        draw: Callable[[], float] = random.random,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.has_output = False
        self.is_connected = False
        self._now = now
        self._draw = draw
        self._wanted: dict[str, set[str] | None] = {}
        self._options = options or {}
        self._books = Books()
        self._views = self._books.by_ticker
        self._watch = Watch(books=self._books, emit=self._emit, close=self.give_up)
        self._delay, self._line = self._watch.delay, self._watch.line
        self._output = events.Output()
        self._changed = self._output.changed
        self._subscriptions: Subscriptions | None = None
        self._unreadable = 0
        self._watched_seq: int | None = None  # what `_next_seq` was at the last tick
        self._book_sid: int | None = None
        self._next_seq: int | None = None  # of the book subscription
        self._answer_seqs: set[int] = set()  # numbers on answers that no frame has had yet
        self._sequence = SequenceTracker()  # of the channels without books

    # --- what the owner asks ------------------------------------------------------------------

    @property
    def clock_offset_ms(self) -> int | None:
        """Exchange clock minus ours; set it when measured, else the feed's least delay stands for it."""
        return self._delay.clock_offset_ms

    @clock_offset_ms.setter
    def clock_offset_ms(self, offset: int | None) -> None:
        self._delay.set_clock_offset(offset)

    def want(self, channel: str, tickers: Iterable[str] | None) -> None:
        """Want exactly these markets on `channel`: None the whole channel, () nothing."""
        wanted = None if tickers is None else set(tickers)
        self._wanted[channel] = wanted
        if self._subscriptions is not None:
            self._subscriptions.want(channel, wanted)
            self._after_subscriptions()
        elif channel == BOOK_CHANNEL:
            self._books.drop(self._views.keys() - (wanted or set()))

    def book(self, ticker: str) -> LiveBook | None:
        return self._views.get(ticker)

    def state_of(self, ticker: str) -> tuple[Literal["live", "stale", "down"], str]:
        """Return the state of a market's book, and why it is not live ("" when it is)."""
        if not self.is_connected:
            return "down", "down"
        view = self._views.get(ticker)
        if view is None or not view.is_live:
            return "stale", "waiting"
        return ("stale", self._watch.why) if self._watch.why else ("live", "")

    def is_subscribed(self, channel: str) -> bool:
        """Return whether the exchange has confirmed `channel` on this connection."""
        return self.sid_of(channel) is not None

    def sid_of(self, channel: str) -> int | None:
        """Return the subscription by which the messages of `channel` come on this connection."""
        state = self._subscriptions.channels.get(channel) if self._subscriptions is not None else None
        return None if state is None else state.sid

    @property
    def heard_at(self) -> float:
        """When something, a pong included, was last heard; monotonic seconds, as of the last tick."""
        return self._line.heard_at

    @property
    def trouble(self) -> str:
        """Why nothing of the feed is live: "down", "silent", "late", or "" when all is well."""
        if not self.is_connected:
            return "down"
        if self._line.is_silent:
            return "silent"
        return "late" if self._delay.is_late else ""

    def resync(self, tickers: Iterable[str]) -> None:
        """Ask for whole books of these markets again."""
        self._books.due |= self._views.keys() & set(tickers)
        self._ask_due()

    def poll(self) -> events.Output:
        """Return what happened since the last poll, and start anew. Crossed books are found here:
        in between, the frames of one trade may pass through a crossed state."""
        for ticker in tuple(self._changed):
            view = self._views.get(ticker)
            if view is None or not view.is_live:
                self._changed.discard(ticker)
            elif view.book.is_crossed:
                self._corrupt(view, BookCorrupt(f"{ticker}: crossed"))
        output = self._output
        self._output = events.Output()
        self._changed = self._output.changed
        self.has_output = False
        return output

    # --- inputs --------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        self._reset_connection(now)
        self._watch.connected(now)
        self.is_connected = True
        self._emit(events.Connected())
        wanted = dict(self._wanted)
        self._subscriptions = Subscriptions(
            self, books=self._books, emit=self._emit, wanted=wanted, now=now, options=self._options
        )
        self._after_subscriptions()

    def closed(self, now: float, reason: str, *, refused: bool = False) -> float:
        """The connection ended, or was not made. Returns the seconds to wait before the next try.

        Args:
            refused: the exchange answered the handshake with a refusal.
        """
        self._now = now
        self.is_connected = False
        self._subscriptions = None
        self._book_sid = None
        self._stale(None, "down")
        wait = self._line.down(now, refused=refused, draw=self._draw)
        self._emit(events.Disconnected(reason=reason, retry_in=wait, refused=refused))
        return wait

    def heard(self) -> None:
        """A ping or pong came: the line is alive although nothing changes."""
        self._line.is_heard = True

    def receive(self, frame: bytes, *, recv_ms: int) -> None:
        """Take in one frame, as `receive_all` does."""
        self.receive_all((frame,), recv_ms=recv_ms)

    def receive_all(self, frames: Sequence[bytes], *, recv_ms: int) -> None:
        """Take in frames that arrived together, in their order. Whatever their bytes, this never raises.

        The way of the next delta, some 99 % of a feed, is written out here, OrderBook.apply_delta
        too, and kept short (docs/realtime.md, "What a frame costs"). The last frame's age counts.
        """
        views, prices, sizes, changed = self._views, LEVEL_PRICES, SIGNED_COUNTS, self._changed.add
        ts_ms, newest = 0, b""
        for frame in frames:
            try:
                delta = decode_delta(frame)
            except Exception:  # another message, or `decode` says what is wrong with it
                self._receive_other(frame, recv_ms)
                continue
            if delta.sid != self._book_sid:
                self._dispatch(delta, recv_ms)
                continue
            seq, body = delta.seq, delta.msg
            if seq != self._next_seq and not self._take_out_of_turn(seq):
                continue
            self._next_seq = seq + 1
            view = views.get(body.market_ticker)
            if view is None or not view.is_live:
                self.counters["delta_without_book"] += 1
                continue
            try:
                price, change, book = prices[body.price_dollars], sizes[body.delta_fp], view.book
                levels = book.yes if body.side == "yes" else book.no
                size = levels.get(price, 0) + change
                if size > 0:
                    levels[price] = size
                elif size == 0:
                    levels.pop(price, None)
                else:  # raises
                    book.apply_delta(body.side, price, change)
            except (BookCorrupt, WireFormatError) as exc:
                self._corrupt(view, exc)
                continue
            view.recv_ms = recv_ms
            view.ts_ms = ts_ms = body.ts_ms
            changed(body.market_ticker)
            newest = frame
        if ts_ms:
            self._watch.seen(recv_ms - ts_ms, newest)

    def tick(self, now: float) -> None:
        """Run timers. Call it a few times a second, connected or not."""
        self._now = now
        if self._subscriptions is None:
            return
        if self._next_seq != self._watched_seq:
            self._watched_seq = self._next_seq
            self._line.is_heard = True
        self._watch.tick(now)
        self._subscriptions.tick(now)
        self._after_subscriptions()
        self._ask_due()
        for view in self._books.overdue(now=now, after=SNAPSHOT_WITHIN):
            self._snapshot_missing(view)

    # --- frames that are not the next delta ------------------------------------------------------

    def _receive_other(self, frame: bytes, recv_ms: int) -> None:
        self._line.is_heard = True
        try:
            if len(frame) > MAX_FRAME:
                raise FrameUnusable("size")
            message = decode(frame)
        except FrameUnusable as exc:
            self._unusable(exc)
            return
        self._dispatch(message, recv_ms)

    def _dispatch(self, message: Decoded, recv_ms: int) -> None:
        self._line.is_heard = True
        if isinstance(message, OrderbookDelta | OrderbookSnapshot):
            if message.sid != self._book_sid:
                self.counters["other_sid"] += 1
            elif isinstance(message, OrderbookSnapshot):
                self._snapshot(message, recv_ms)
        elif isinstance(message, Answer):
            self._answer(message)
        elif self._subscriptions is not None:
            self._count_message(message)
            self._emit(message)

    def _take_out_of_turn(self, seq: int) -> bool:
        """Return False for a frame applied before; make the books stale when one is missing."""
        expected = self._next_seq
        if expected is None:
            return True
        if seq < expected:
            self.counters["duplicate"] += 1
            return False
        # `ok` and `unsubscribed` carry a number; whether they take one of the count is not
        # documented. Numbers seen on them are not missing; those not skipped then did not count.
        missing = range(expected, seq)
        if len(missing) <= len(self._answer_seqs) and self._answer_seqs.issuperset(missing):
            self._answer_seqs.difference_update(missing)
            return True
        self._answer_seqs.clear()
        self.counters["gap"] += 1
        # Books that wait for a snapshot keep waiting: it may still come, else a timer asks again.
        self._books.due.update(self._stale(None, "gap"))
        self._ask_due()
        return True

    def _snapshot(self, message: OrderbookSnapshot, recv_ms: int) -> None:
        body = message.msg
        view = self._views.get(body.market_ticker)
        # An answer to get_snapshot may repeat the last number instead of taking one of its own.
        is_answer = view is not None and not view.is_live and message.seq + 1 == self._next_seq
        if not is_answer:
            if message.seq != self._next_seq and not self._take_out_of_turn(message.seq):
                return
            self._next_seq = message.seq + 1
        if view is None:
            return
        try:
            view.book.apply_snapshot(levels_from_wire(body.yes_dollars_fp), levels_from_wire(body.no_dollars_fp))
        except (BookCorrupt, WireFormatError) as exc:
            self._corrupt(view, exc)
            return
        view.recv_ms = recv_ms
        self._books.mark_live(view)
        self._changed.add(view.ticker)
        if not self._watch.why:
            self._emit(events.BookReady(view.ticker))

    def _answer(self, answer: Answer) -> None:
        if self._subscriptions is None:
            return
        if answer.seq is not None and answer.sid is not None and answer.sid == self._book_sid:
            self._answer_seqs = {seq for seq in (*self._answer_seqs, answer.seq) if seq >= (self._next_seq or 0)}
        self._subscriptions.answer(answer)
        self._after_subscriptions()

    def _unusable(self, exc: FrameUnusable) -> None:
        self.counters[f"unusable_{exc.reason}"] += 1
        self._unreadable += 1
        if exc.sid is not None and exc.sid == self._book_sid:
            # A frame of the books is lost, and we do not trust its number.
            self._next_seq = None
            self._books.due.update(self._stale(None, "corrupt"))
            self._ask_due()
        if self._unreadable >= _UNREADABLE_MOST:
            self.give_up("too many unreadable frames")

    def _corrupt(self, view: LiveBook, exc: Exception) -> None:
        self.counters["corrupt"] += 1
        self._emit(events.Alarm("corrupt", str(exc)[:200]))
        self._stale((view.ticker,), "corrupt")
        view.is_live = False
        self._books.due.add(view.ticker)
        self._ask_due()

    def _count_message(self, message: Message) -> None:
        if message.seq is None or not message.sid:
            return
        try:
            self._sequence.accept(message.sid, message.seq)
        except SequenceGap as gap:
            self._sequence.rebase(gap.sid, gap.received)
            self._emit(events.ChannelGap(message.type))

    # --- staleness and repair ------------------------------------------------------------------------

    def _stale(self, tickers: Iterable[str] | None, why: events.StaleReason) -> tuple[str, ...]:
        stale = self._books.mark_stale(tickers)
        if stale:
            self._changed.difference_update(stale)
            self._emit(events.BooksStale(stale, why))
        return stale

    def _ask_due(self) -> None:
        if self._subscriptions is not None:
            self._books.ask_round(self._subscriptions.snapshot, now=self._now)
            self._after_subscriptions()

    def _snapshot_missing(self, view: LiveBook) -> None:
        """Asked for, but it never came: subscribe once more, then alarm and go on asking."""
        assert self._subscriptions is not None
        self.counters["snapshot_missing"] += 1
        view.asked_at = self._now
        if view.ticker not in self._books.renewed:
            self._books.renewed.add(view.ticker)
            self._subscriptions.renew((view.ticker,))
            self._after_subscriptions()
            return
        view.asked_at = self._now + _ALARM_EVERY - SNAPSHOT_WITHIN
        self._emit(events.Alarm("no_snapshot", f"{view.ticker}: the exchange sends no book."))
        self._books.due.add(view.ticker)

    # --- the subscriptions' owner -------------------------------------------------------------------

    def books_lost(self) -> None:
        self._stale(None, "renewed")
        self._books.due.clear()

    def give_up(self, reason: str) -> None:
        self._output.close = reason
        self.has_output = True

    def _reset_connection(self, now: float) -> None:
        """Forget all that belonged to one connection: sids and numbers start anew."""
        self._now = now
        self._unreadable = 0
        self._book_sid = None
        self._next_seq = None
        self._answer_seqs.clear()
        self._sequence.clear()
        self._books.restart()

    def _after_subscriptions(self) -> None:
        subscriptions = self._subscriptions
        if subscriptions is None:
            return
        if subscriptions.book_sid != self._book_sid:
            self._book_sid = subscriptions.book_sid
            self._next_seq = None
            self._answer_seqs.clear()
        if subscriptions.commands:
            self._output.commands.extend(subscriptions.commands)
            subscriptions.commands.clear()
            self.has_output = True

    def _emit(self, event: events.Event) -> None:
        self._output.events.append(event)
        self.has_output = True
