"""What a market data session of the gateway follows: which books, what to ask for next, and rows for people."""

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Fields, Message
from apps.fix.messages.market_data import SUBSCRIBE, Books, reject_text, request_fields

logger = logging.getLogger(__name__)

ASK_AGAIN_MS: Final = 5_000  # a book that does not become whole is asked for no more often


@dataclass
class Watch:
    """refused: the exchange's last refusal in words; nothing more is asked for until the next logon."""

    symbols: tuple[str, ...]
    refused: str = ""
    _wanted: set[str] = field(default_factory=set)
    _asked_at: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books = Books(self.symbols)

    def logged_on(self) -> None:
        """A new session: the exchange knows of no subscription, and we of no book."""
        self.books.begin()
        self.refused, self._wanted = "", set(self.symbols)
        self._asked_at.clear()

    def take(self, message: Message) -> None:
        """Take what the session delivers. What cannot be read makes every book be asked for anew."""
        try:
            if message.msg_type in ("W", "X"):
                self._wanted.update(self.books.take(message))
            elif message.msg_type == "Y":
                self.refused = reject_text(message)
            elif message.msg_type == "j":
                self.refused = message.text(58)[:200] or "the request was refused"
        except WireFormatError as exc:
            logger.warning("a market data message cannot be used, asking for the books anew: %s", exc)
            self._wanted.update(self.symbols)

    def next_request(self, now: int) -> Fields | None:
        """Return the subscription to send, None when nothing is due. now: Unix milliseconds."""
        if self.refused:
            return None
        never = now - ASK_AGAIN_MS
        due = [one for one in self.symbols if one in self._wanted and self._asked_at.get(one, never) <= never]
        if not due:
            return None
        self._wanted.difference_update(due)
        self._asked_at.update(dict.fromkeys(due, now))
        return request_fields(SUBSCRIBE, due)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per book: best prices (dollars) and sizes as text, "" where there is none."""
        rows: list[dict[str, Any]] = []
        for symbol in self.symbols:
            book = self.books.books.get(symbol)
            if book is None:
                continue
            bid, ask = book.best_bid, book.best_ask
            rows.append(
                {
                    "symbol": symbol,
                    "is_whole": book.is_whole,
                    "bid": "" if bid is None else str(bid),
                    "bid_size": "" if bid is None else str(book.bids[bid]),
                    "ask": "" if ask is None else str(ask),
                    "ask_size": "" if ask is None else str(book.asks[ask]),
                    "levels": len(book.bids) + len(book.asks),
                    "updates": book.updates,
                }
            )
        return rows
