"""What the documentation leaves open about FIX. The first value of each is the default: the hardest for a client."""

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class FixRules:
    """Changed by `POST /control/fix/rules`.

    sender_comp_id: tag 49 of what the exchange sends: `Kalshi` (documented), or the session's name.
    reports: whose orders a trading session hears of: its own, or all of the member's (as listeners do).
    cancel_scope: what mass cancel and CancelOrdersOnDisconnect cancel: the session's orders, or all of the member's.
    sell_price: in which leg prices of side 2 are: of YES (one book), or of NO.
    rejected_quote_id: tag 117 of a rejected quote: empty (documented, though no FIX value is), as given, or left out.
    maintenance_resets: whether the weekly window sets RT and PT back to 1 (one page) or not (a later page).
    clock_window_ms: how far SendingTime may be off. clock_offset_ms: how far the acceptor's own clock is.
    drop_copy_per_minute: event resend requests per key. settlement_parties: per UMS message; more make fragments.
    logon_seconds: until the first message must have come. market_data_symbols: of one request, and of one session.
    """

    sender_comp_id: Literal["Kalshi", "session"] = "Kalshi"
    reports: Literal["session", "member"] = "session"
    cancel_scope: Literal["session", "member"] = "session"
    sell_price: Literal["yes", "no"] = "yes"
    rejected_quote_id: Literal["empty", "echo", "omit"] = "empty"
    maintenance_resets: bool = False
    clock_window_ms: int = 30_000
    clock_offset_ms: int = 0
    drop_copy_per_minute: int = 10
    settlement_parties: int = 1
    logon_seconds: int = 10
    market_data_symbols: int = 100
