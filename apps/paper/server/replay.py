"""Plays recorded frames to the hub, at a multiple of the recorded pace, stopping where it is told to."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, cast

from apps.core.money import count_units_from_wire, price_units_from_wire
from apps.paper.clock import Clock
from apps.paper.engine.orders import Trade
from apps.paper.engine.units import Outcome, Side
from apps.paper.server.hub import Hub
from apps.paper.server.recording import RecordedFrame, Recording, merged, windows
from apps.paper.server.replay_markets import ReplayMarkets

State = Literal["waiting", "playing", "paused", "done"]
BATCH = 200  # frames between two looks at the rest of the loop


class Replay:
    """One position in the recordings; `advance` moves it without a clock, `run` at a pace.

    position_ms: every frame with this recv_ms or an earlier one was played, no later one.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        markets: ReplayMarkets,
        hub: Hub,
        clock: Clock,
        speed: float = 1.0,
        loop: bool = False,
        keep_times: bool = False,
    ) -> None:
        self._recordings = tuple(recordings)
        self._markets = markets
        self._hub = hub
        self._clock = clock
        self._loop = loop
        self._keep_times = keep_times
        self._starts = {first for first, _ in windows(recordings)}
        self._wake = asyncio.Event()
        self._anchor = (0, 0.0)  # (recv_ms, loop time) from which the pace counts
        self._sequence = 0
        self._frames: Iterator[RecordedFrame] = iter(())
        self._next: RecordedFrame | None = None
        self.position_ms = 0
        self.frames_played = 0
        self.speed = speed
        self.state: State = "waiting"
        self.pauses: list[int] = []
        self.rounds = 0
        self._rewind()

    # --- control ---------------------------------------------------------------------------------
    def play(self) -> None:
        """Start, or go on after a pause; at the end it starts again from the beginning."""
        if self.state == "done":
            self._rewind()
        self.state = "playing"
        self._re_anchor()

    def pause(self) -> None:
        if self.state != "done":
            self.state = "paused"
        self._wake.set()

    def pause_at(self, instants: Sequence[int]) -> None:
        """Pause after all frames with these recv_ms or earlier ones; replaces earlier instants.

        Raises:
            ValueError: an instant before the present position.
        """
        passed = [instant for instant in instants if instant < self.position_ms]
        if passed:
            raise ValueError(f"the replay is at {self.position_ms}, past {passed[0]}; restart it first")
        self.pauses = sorted(instants)
        self._wake.set()

    def set_speed(self, speed: float) -> None:
        if speed < 0:
            raise ValueError("speed must be 0 (as fast as possible) or more")
        self.speed = speed
        self._re_anchor()

    def restart(self) -> None:
        """Back to the beginning, paused; every book of the replay is empty."""
        self._rewind()
        self.state = "paused"
        self._wake.set()

    def status(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "position_ms": self.position_ms,
            "frames_played": self.frames_played,
            "frames_total": sum(recording.frames for recording in self._recordings),
            "speed": self.speed,
            "pauses": list(self.pauses),
            "rounds": self.rounds,
            "files": [
                {"path": str(r.path), "frames": r.frames, "first_ms": r.first_ms, "last_ms": r.last_ms}
                for r in self._recordings
            ],
            "markets": list(self._markets.rows),
        }

    # --- playing ---------------------------------------------------------------------------------
    def advance(self, until_ms: int | None, *, most: int = 2**62) -> int:
        """Play at once all frames with recv_ms up to `until_ms` (None: to the end) and return how many."""
        played = 0
        while self._next is not None and played < most and (until_ms is None or self._next.recv_ms <= until_ms):
            frame = self._next
            self._next = next(self._frames, None)
            self._apply(frame)
            self.position_ms = frame.recv_ms
            played += 1
        self.frames_played += played
        if self._next is None:
            self.state = "done"
        elif until_ms is not None and played < most:
            self.position_ms = max(self.position_ms, min(until_ms, self._next.recv_ms - 1))
        return played

    async def run(self, *, has_room: Callable[[], bool]) -> None:
        """Play for ever. At speed 0 it waits while `has_room()` says that readers are behind."""
        loop = asyncio.get_running_loop()
        while True:
            if self.state == "done" and self._loop:
                self.rounds += 1
                self.play()
            if self.state != "playing" or self._next is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            if not self.speed and not has_room():
                await asyncio.sleep(0.002)
                continue
            played = self.advance(self._due(loop.time()), most=BATCH)
            self._pause_where_told()
            if played == BATCH:
                await asyncio.sleep(0)
            elif self.state == "playing":
                await self._rest(loop.time())

    def _pause_where_told(self) -> None:
        if not self.pauses or self.state != "playing" or self.position_ms < self.pauses[0]:
            return
        if self._next is None or self._next.recv_ms > self.pauses[0]:  # more of that instant may wait for its turn
            self.pauses.pop(0)
            self.state = "paused"

    def _due(self, loop_time: float) -> int | None:
        """The recv_ms up to which frames are due, never past the next pause."""
        assert self._next is not None
        if self._next.recv_ms in self._starts and self._next.recv_ms != self._anchor[0]:
            # The first frame of a window: time in which nothing was recorded is not waited for.
            self._anchor = (self._next.recv_ms, loop_time)
        stop = self.pauses[0] if self.pauses else None
        if not self.speed:
            return stop
        due = self._anchor[0] + int((loop_time - self._anchor[1]) * 1000 * self.speed)
        return due if stop is None else min(due, stop)

    async def _rest(self, loop_time: float) -> None:
        assert self._next is not None
        target = self._next.recv_ms if not self.pauses else min(self._next.recv_ms, self.pauses[0])
        wait = (target - self._anchor[0]) / 1000 / self.speed - (loop_time - self._anchor[1]) if self.speed else 0
        self._wake.clear()
        try:
            async with asyncio.timeout(max(wait, 0.001)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _re_anchor(self) -> None:
        try:
            loop_time = asyncio.get_running_loop().time()
        except RuntimeError:
            loop_time = 0.0  # driven by `advance`: no pace to keep
        self._anchor = (self.position_ms, loop_time)
        self._wake.set()

    def _rewind(self) -> None:
        self._markets.reset()
        self._frames = merged(self._recordings)
        self._next = next(self._frames, None)
        self.position_ms = self._next.recv_ms - 1 if self._next else 0
        self.frames_played = 0
        self.pauses = []
        for ticker in self._markets.rows:
            self._hub.book_rebased(ticker)

    def _apply(self, frame: RecordedFrame) -> None:
        msg = frame.event.msg
        row = self._markets.rows[msg.market_ticker]
        ts_ms = frame.recv_ms if msg.ts_ms is None else msg.ts_ms
        if not self._keep_times:
            # As old as it was when it was recorded, on today's clock: the desk judges a feed by its age.
            ts_ms += self._clock.now_ms() - frame.recv_ms
        if frame.event.type == "orderbook_snapshot":
            row.rebase(msg, ts_ms=ts_ms)
            self._hub.book_rebased(msg.market_ticker)
            self._hub.ticker(row.market, ts_ms=ts_ms)
        elif frame.event.type == "orderbook_delta":
            if not row.based:
                return
            side = cast("Outcome", msg.side)
            price, delta = price_units_from_wire(msg.price_dollars), count_units_from_wire(msg.delta_fp, signed=True)
            quote_changed = row.change(side, price, delta, ts_ms=ts_ms)
            self._hub.book_delta(row.market, side=side, price=price, delta=delta, ts_ms=ts_ms)
            if quote_changed:
                self._hub.ticker(row.market, ts_ms=ts_ms)
        else:
            self._trade(frame, ts_ms)

    def _trade(self, frame: RecordedFrame, ts_ms: int) -> None:
        msg = frame.event.msg
        row = self._markets.rows[msg.market_ticker]
        self._sequence += 1
        trade = Trade(
            trade_id=msg.trade_id,
            sequence=self._sequence,
            ticker=msg.market_ticker,
            price=price_units_from_wire(msg.yes_price_dollars),
            count=count_units_from_wire(msg.count_fp),
            taker_side=cast("Side", msg.taker_book_side),
            ts_ms=ts_ms,
        )
        row.record(trade)
        self._hub.trade(trade)
        self._hub.ticker(row.market, ts_ms=ts_ms)
