"""A small exchange on the other end of a session: true books, numbered frames, faults on demand.

No I/O and no clock: tests move time with `lab.at(seconds)`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from apps.exchange.wire.events import BookReady, BooksStale, Output
from apps.exchange.wire.session import Session

NOON_MS = 1_786_000_000_000


class Lab:
    def __init__(self, *, answers: bool = True, acks_count: bool = False, snapshots_count: bool = True) -> None:
        self.session = Session(draw=lambda: 1.0)
        self.now = 1000.0
        self.books: dict[str, dict[str, dict[str, float]]] = {}
        self.commands: list[dict[str, Any]] = []
        self.events: list[Any] = []
        self.changed: set[str] = set()
        self.close: str | None = None
        self.sid = 0
        self.seq = 0
        self.first_sid = 1
        self.answers = answers
        self.acks_count = acks_count
        self.snapshots_count = snapshots_count
        self.mute: set[str] = set()  # tickers whose snapshots are never sent
        self.refuse: dict[str, int] = {}  # cmd or action -> error code, once
        self.delay_ms = 20

    # --- the session's side -------------------------------------------------------------------

    def connect(self, tickers: Iterable[str] = ("T1",)) -> "Lab":
        self.want(tickers)
        self.session.connected(self.now)
        self.pump()
        return self

    def want(self, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            self.books.setdefault(ticker, {"yes": {}, "no": {}})
        self.session.want("orderbook_delta", list(tickers))
        self.pump()

    def at(self, now: float) -> None:
        """Move the clock and run timers."""
        self.now = now
        self.session.tick(now)
        self.pump()

    def later(self, seconds: float) -> None:
        self.at(self.now + seconds)

    def take(self) -> Output:
        output = self.session.poll()
        self.events += output.events
        self.changed |= output.changed
        self.close = output.close or self.close
        return output

    def pump(self) -> None:
        """Answer commands until there are no more."""
        while commands := self.take().commands:
            for raw in commands:
                command = msgspec.json.decode(raw)
                self.commands.append(command)
                if self.answers:
                    self._answer(command)

    def give(self, *frames: bytes) -> None:
        for frame in frames:
            self.session.receive(frame, recv_ms=self.recv_ms)
        self.pump()

    @property
    def recv_ms(self) -> int:
        return NOON_MS + int(self.now * 1000)

    # --- the exchange's side -----------------------------------------------------------------

    def number(self) -> int:
        self.seq += 1
        return self.seq

    def delta(self, ticker: str, side: str, price: str, delta: str, *, ts_ms: int | None = None) -> bytes:
        """Change the true book and return the next numbered frame."""
        levels = self.books[ticker][side]
        levels[price] = round(levels.get(price, 0.0) + float(delta), 2)
        if levels[price] == 0:
            del levels[price]
        msg = {"market_ticker": ticker, "market_id": "m", "price_dollars": price, "delta_fp": delta, "side": side}
        msg["ts_ms"] = self.recv_ms - self.delay_ms if ts_ms is None else ts_ms
        return self.frame("orderbook_delta", msg)

    def frame(self, kind: str, msg: Any, *, seq: int | None = None, sid: int | None = None) -> bytes:
        seq = self.number() if seq is None else seq
        return msgspec.json.encode({"type": kind, "sid": self.sid if sid is None else sid, "seq": seq, "msg": msg})

    def snapshot(self, ticker: str) -> bytes:
        msg: dict[str, Any] = {"market_ticker": ticker, "market_id": "m"}
        for side in ("yes", "no"):
            if self.books[ticker][side]:
                msg[f"{side}_dollars_fp"] = [[p, f"{c:.2f}"] for p, c in sorted(self.books[ticker][side].items())]
        return self.frame("orderbook_snapshot", msg)

    def sent(self, what: str) -> list[dict[str, Any]]:
        """Commands of this cmd or action so far."""
        return [c for c in self.commands if what in (c["cmd"], c.get("params", {}).get("action"))]

    def assert_true(self, *tickers: str) -> None:
        """The session holds exactly the exchange's book of each ticker, and calls it live."""
        for ticker in tickers or self.books:
            view = self.session.book(ticker)
            assert view is not None
            assert view.is_live, ticker
            for side in ("yes", "no"):
                truth = [[p, f"{c:.2f}"] for p, c in sorted(self.books[ticker][side].items())]
                assert view.book.wire_levels(side) == truth  # type: ignore[arg-type]

    def stale(self) -> list[BooksStale]:
        return [event for event in self.events if isinstance(event, BooksStale)]

    def ready(self) -> list[str]:
        return [event.ticker for event in self.events if isinstance(event, BookReady)]

    def _answer(self, command: dict[str, Any]) -> None:
        params = command.get("params", {})
        action = params.get("action", command["cmd"])
        code = self.refuse.pop(action, None)
        if code is not None:
            self._reply({"id": command["id"], "type": "error", "msg": {"code": code, "msg": "no"}})
            return
        if action == "subscribe":
            self.sid += self.first_sid if not self.sid else 1
            self.seq = 0
            self._reply({"id": command["id"], "type": "subscribed", "msg": {"channel": "c", "sid": self.sid}})
        elif action == "unsubscribe":
            self._reply({"id": command["id"], "type": "unsubscribed", "sid": params["sids"][0], "seq": self._ack_seq()})
        elif action == "list_subscriptions":
            rows = [{"channel": "orderbook_delta", "sid": self.sid}] if self.sid else []
            self._reply({"id": command["id"], "type": "ok", "msg": rows})
        elif action != "get_snapshot":
            self._reply({"id": command["id"], "type": "ok", "sid": self.sid, "seq": self._ack_seq(), "msg": {}})
        if action in ("subscribe", "add_markets", "get_snapshot"):
            for ticker in params.get("market_tickers", ()):
                if ticker not in self.mute:
                    self._send_snapshot(ticker, answer=action == "get_snapshot")

    def _send_snapshot(self, ticker: str, *, answer: bool) -> None:
        if answer and not self.snapshots_count:
            self.seq -= 1  # repeats the last number
        self.session.receive(self.snapshot(ticker), recv_ms=self.recv_ms)

    def _ack_seq(self) -> int:
        return self.number() if self.acks_count else max(1, self.seq)

    def _reply(self, body: dict[str, Any]) -> None:
        self.session.receive(msgspec.json.encode(body), recv_ms=self.recv_ms)
