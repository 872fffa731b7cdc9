"""One environment's market data: one connection, one board, its frames in Redis."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Iterable
from typing import Any

from apps.core import ports
from apps.core.ports import FeedContext, MarketData
from apps.core.timestamps import unix_ms_now
from apps.exchange import live, services
from apps.exchange.gateway.inbox import Inbox
from apps.exchange.gateway.interest import interesting_tickers
from apps.exchange.gateway.threads import Threads
from apps.exchange.selectors import FeedState
from apps.exchange.wire import events
from apps.exchange.wire.schemas import Message
from apps.exchange.wire.session import Session
from apps.exchange.wire.signing import RequestSigner
from apps.exchange.wire.subscriptions import BOOK_CHANNEL
from apps.exchange.wire.transport import Feed

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
META_SECONDS = 30.0
INTEREST_SECONDS = 1.0
PUBLISH_AGAIN = 0.25  # seconds after Redis did not take frames
PACE = 0.01  # seconds between looks at changed books; the board conflates further
COMBOS = "multivariate_market_lifecycle"
UNKNOWN_MARKET = "this market is not in the catalogue (yet)"

WORDS = {
    "gap": "frames are missing, a new snapshot is on its way",
    "corrupt": "a frame did not fit, a new snapshot is on its way",
    "late": "the exchange's frames are seconds old",
    "silent": "nothing comes from the exchange",
    "down": "no connection to the exchange",
    "renewed": "the subscription is being made anew",
    "waiting": "waiting for the exchange's snapshot",
}


class MarketFeed:
    """Keeps the wanted books, tapes and all tickers of one environment, until cancelled."""

    def __init__(
        self,
        account_id: int,
        environment: str,
        *,
        hosts: list[str],
        signer: RequestSigner,
        inbox: Inbox,
        threads: Threads,
        market_data: MarketData,
    ) -> None:
        self.account_id = account_id
        self.environment = environment
        self._inbox = inbox
        self._threads = threads
        self._market_data = market_data
        self.board: Any = market_data.board(environment)
        self.session = Session(now=time.monotonic())
        self.session.want("ticker", None)
        self.session.want("market_lifecycle_v2", None)
        self.session.want(COMBOS, None)
        self._feed = Feed(self.session, hosts=hosts, signer=signer, deliver=self._deliver, pace=PACE)
        self._changed = asyncio.Event()  # the board has something to publish
        self._look = asyncio.Event()  # somebody needs a market
        self._unknown: set[str] = set()
        self._backlog: set[str] = set()  # markets whose recent trades must be read
        self._down_why = "connecting to the exchange"
        self.refusals = 0  # handshakes in a row that the exchange refused

    def look(self) -> None:
        """A topic of this environment is newly needed."""
        self._look.set()

    async def run(self) -> None:
        await self._threads.redis(self._forget_published)
        jobs = {
            "feed": self._feed.run(),
            "publish": self._publish(),
            "beat": self._beat(),
            "interest": self._follow_interest(),
            "meta": self._follow_meta(),
            "backlog": self._read_backlog(),
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, job in jobs.items():
                    group.create_task(job, name=f"{self.environment}-{name}")
        finally:
            # Nobody keeps these true any more; without a heartbeat the hubs say so at once.
            self._forget_published()

    # --- from the exchange ---------------------------------------------------------------------

    def _deliver(self, output: events.Output) -> None:
        for event in output.events:
            self._event(event)
        for ticker in output.changed:
            self._book(ticker)
        self._changed.set()

    def _event(self, event: events.Event) -> None:
        match event:
            case Message():
                self._message(event)
            case events.BookReady():
                self._book(event.ticker)
            case events.BooksStale():
                state = "down" if event.why == "down" else "stale"
                self.board.books_not_live(state, why=WORDS[event.why], tickers=event.tickers)
            case events.Connected():
                self._down_why = ""
                self.refusals = 0
                self.board.books_not_live("stale", why=WORDS["waiting"], tickers=self.board.tickers - self._unknown)
                self._need_backlog(self.board.tickers)
            case events.Disconnected():
                self._down_why = event.reason
                self.refusals = self.refusals + 1 if event.refused else 0
                why = f"{WORDS['down']}: {event.reason}"
                self.board.books_not_live("down", why=why, tickers=self.board.tickers - self._unknown)
            case events.MarketUnknown():
                self.board.books_not_live("down", why="the exchange knows no such market", tickers=[event.ticker])
            case events.ChannelGap():
                logger.warning("%s: frames of %s are missing", self.environment, event.channel)
                self._need_backlog(self.board.tickers)
            case events.Alarm():
                logger.error("%s: %s: %s", self.environment, event.code, event.text)

    def _book(self, ticker: str) -> None:
        view = self.session.book(ticker)
        if view is None:
            return
        state, why = self.session.state_of(ticker)
        self.board.book_changed(
            ticker,
            view.book,
            ts_ms=view.ts_ms or None,
            recv_ms=view.recv_ms,
            state=state,
            why=WORDS.get(why, why),
        )

    def _message(self, message: Message) -> None:
        body: Any = message.body
        match message.type:
            case "ticker":
                self.board.ticker_changed(body)
            case "trade":
                row = self._market_data.trade_row(body)
                if row is not None:
                    self.board.trades_seen(body.market_ticker, [row])
            case "event_lifecycle" if message.sid and message.sid == self.session.sid_of(COMBOS):
                pass  # people make combos all day; the desk reads those that it deals in
            case _:
                if message.type == "market_lifecycle_v2" or (
                    message.type == COMBOS and body.market_ticker in self.board.tickers
                ):
                    self.board.lifecycle_seen(body)
                self._inbox.put(message.type, FeedContext(self.account_id, self.environment, unix_ms_now()), body)

    # --- what is wanted ------------------------------------------------------------------------

    async def _follow_interest(self) -> None:
        while True:
            self._look.clear()
            wanted = await self._threads.redis(lambda: interesting_tickers(self.environment))
            if wanted is not None:  # else Redis is away: everything stays as it is
                await self._want(wanted | await self._threads.database(self._own))
            await _until(self._look, INTEREST_SECONDS)

    def _own(self) -> set[str]:
        """Return the markets in which somebody of the desk has working orders. Database thread."""
        own: set[str] = set()
        for wanted in ports.wanted_tickers:
            try:
                own |= wanted(self.environment)
            except Exception:
                # A boundary: the markets that people look at must not wait for another app's mistake.
                logger.exception("own markets are not known (%s)", wanted.__module__)
        return own

    async def _want(self, wanted: set[str]) -> None:
        kept: set[str] = self.board.tickers
        asked = (wanted - kept) | (self._unknown & wanted)
        if not asked and not kept - wanted:
            return
        known = (
            await self._threads.database(lambda: self._market_data.known(self.environment, asked)) if asked else set()
        )
        newly = asked & known
        for ticker in sorted(asked - kept):
            self.board.want(ticker)
        for ticker in sorted(newly & self._unknown):
            self.board.books_not_live("stale", why=WORDS["waiting"], tickers=[ticker])
        unknown = asked - known
        self.board.books_not_live("down", why=UNKNOWN_MARKET, tickers=unknown)
        released = [topic for ticker in sorted(kept - wanted) for topic in self.board.release(ticker)]
        changed = bool(newly or released)
        self._unknown = unknown
        if changed:
            subscribed = sorted(self.board.tickers - self._unknown)
            self._feed.want(BOOK_CHANNEL, subscribed)
            self._feed.want("trade", subscribed)
            self._need_backlog(newly)
        if released:
            await self._threads.redis(lambda: live.state_forget(released))
        self._changed.set()

    # --- what REST and SQL know -------------------------------------------------------------------

    async def _follow_meta(self) -> None:
        while True:
            try:
                metas = await self._threads.database(lambda: self._market_data.metas(self.environment))
            except Exception:
                # A boundary: the database may be away for a moment; the rows keep their last status.
                logger.exception("%s: status and closing times were not read", self.environment)
            else:
                self.board.meta_changed(metas)
                self._changed.set()
            await asyncio.sleep(META_SECONDS)

    def _need_backlog(self, tickers: Iterable[str]) -> None:
        self._backlog |= set(tickers) - self._unknown

    async def _read_backlog(self) -> None:
        """Read the last trades of newly wanted markets, and of all after an interruption, one by one."""
        while True:
            while self._backlog:
                ticker = self._backlog.pop()
                trades = await self._threads.slow(
                    lambda name=ticker: self._market_data.recent_trades(self.environment, name)  # type: ignore[misc]
                )
                self.board.trades_seen(ticker, trades)
                self._changed.set()
            await asyncio.sleep(0.05)

    # --- to Redis ----------------------------------------------------------------------------------

    async def _publish(self) -> None:
        was_lost = False
        while True:
            self._changed.clear()
            frames = self.board.take(time.monotonic())
            if frames:
                if not await self._threads.redis(functools.partial(self._publish_frames, frames)):
                    self.board.failed(frames)
                    was_lost = True
                    await asyncio.sleep(PUBLISH_AGAIN)
                    continue
                if was_lost:
                    was_lost = False
                    self.board.everything_again()
            now = time.monotonic()
            next_at = self.board.next_at(now)
            await _until(self._changed, None if next_at is None else max(0.0, next_at - now))

    def _publish_frames(self, frames: Any) -> bool:
        version = live.next_version()
        is_out = live.publish_many([(topic, version, frame) for topic, frame in frames.whole.items()])
        if is_out and frames.rows:
            is_out = live.publish_rows(f"tickers:{self.environment}", frames.rows, version=version, kept=True)
        return is_out

    async def _beat(self) -> None:
        while True:
            # The heartbeat first and by itself: it must not wait for the database.
            is_first = await self._threads.redis(self._beat_once)
            if is_first:
                self.board.everything_again()
                self._changed.set()
            try:
                await self._threads.database(lambda: services.status_publish(self.environment))
            except Exception:
                logger.exception("%s: the status was not published", self.environment)
            await asyncio.sleep(BEAT_SECONDS)

    def _beat_once(self) -> bool:
        return services.feed_report(self.environment, self._state(), now_ms=unix_ms_now())

    def _state(self) -> FeedState:
        heard_ms = unix_ms_now() - int((time.monotonic() - self.session.heard_at) * 1000)
        if not self.session.is_connected:
            return FeedState("down", self._down_why, None)
        why = self.session.trouble
        return FeedState("stale" if why else "live", WORDS.get(why, why), heard_ms)

    def _forget_published(self) -> None:
        """Drop the environment's frames that an earlier process left, and our own at the end."""
        services.feed_forget(self.environment)


async def _until(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for the event, at most this long."""
    # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
