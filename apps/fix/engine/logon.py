"""Logon (35=A): the flags of the documentation, what they exclude, and the signed string.

Source: docs:fix/authentication, docs:fix-margin/authentication, docs:fix/listener-sessions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from apps.fix.engine.codec import SOH, Fields
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.rules import Kind, rules_of
from apps.fix.engine.values import flag_write

# signer(the pre-hash string) -> the signature, base64. It lives outside: the engine never sees a key.
Signer = Callable[[str], str]

LOWEST_HEARTBEAT: Final = 4  # seconds: "N > 3"; margin takes 3, which no session of ours needs
LONGEST_RETENTION: Final = 72  # hours


@dataclass(frozen=True, slots=True)
class LogonFlags:
    """What a session asks for at logon. Flags that are False are left out of the message.

    retention_hours: None leaves the exchange's default (24).
    receive_settlements: None leaves the default (N on KalshiRT, Y on KalshiPT).
    """

    listener: bool = False  # 20126
    skip_pending: bool = False  # 21011
    cancel_on_disconnect: bool = False  # 8013
    use_dollars: bool = True  # 21005
    expired_status: bool = True  # 21012
    ioc_cancel_report: bool = True  # 21007
    original_quantity: bool = True  # 21008
    new_before_trade: bool = True  # 21026
    receive_settlements: bool | None = None  # 20127
    retention_hours: int | None = None  # 20200
    is_margin: bool = False

    @classmethod
    def listening(cls, **over: bool | int | None) -> "LogonFlags":
        """Return the flags of a listener session."""
        return cls(**{"listener": True, "skip_pending": True, **over})  # type: ignore[arg-type]

    def check(self, kind: Kind) -> None:
        """Raises SendRefused when the exchange would refuse this combination."""
        problem = self._problem(kind)
        if problem:
            raise SendRefused("fix_flags", problem)

    def _problem(self, kind: Kind) -> str:
        rules = rules_of(kind, is_margin=self.is_margin)
        if rules is None:
            return f"There is no {kind} on the {'margin' if self.is_margin else 'event'} exchange."
        if self.listener and not rules.may_listen:
            return f"{kind} has no listener mode (20126): use KalshiNR or KalshiRT."
        if self.listener and not self.skip_pending:
            return "A listener session needs SkipPendingExecReports (21011=Y)."
        if self.listener and self.cancel_on_disconnect:
            return "A listener session must not ask for CancelOrdersOnDisconnect (8013)."
        if self.receive_settlements and self.is_margin:
            return "Margin sessions send no settlement reports (20127)."
        if self.receive_settlements is not None and kind not in (Kind.RT, Kind.PT):
            return f"{kind} sends no settlement reports (20127): use KalshiPT or KalshiRT."
        if self.retention_hours is not None and not rules.is_retained:
            return f"{kind} keeps no messages (20200): use KalshiRT or KalshiPT."
        if self.retention_hours is not None and not 1 <= self.retention_hours <= LONGEST_RETENTION:
            return f"Messages are kept for 1 to {LONGEST_RETENTION} hours (20200)."
        return ""

    def fields(self) -> Iterator[tuple[int, str]]:
        """Yield the optional fields. Margin sessions always price in dollars, and lack 21026."""
        flags = [
            (8013, self.cancel_on_disconnect),
            (20126, self.listener),
            (21005, self.use_dollars and not self.is_margin),
            (21007, self.ioc_cancel_report),
            (21008, self.original_quantity),
            (21011, self.skip_pending),
            (21012, self.expired_status),
            (21026, self.new_before_trade and not self.is_margin),
        ]
        yield from ((tag, "Y") for tag, wanted in flags if wanted)
        if self.receive_settlements is not None and not self.is_margin:
            yield 20127, flag_write(self.receive_settlements)
        if self.retention_hours is not None:
            yield 20200, str(self.retention_hours)

    @property
    def prices_in_dollars(self) -> bool:
        return self.use_dollars or self.is_margin


def pre_hash(*, sending_time: str, msg_seq_num: int, sender_comp_id: str, target_comp_id: str) -> str:
    """Return the string that the logon's RawData (96) signs.

    Args:
        sending_time: the very text of tag 52 of the same message.
    """
    return SOH.join([sending_time, "A", str(msg_seq_num), sender_comp_id, target_comp_id])


def logon_fields(
    flags: LogonFlags, *, signature: str, heartbeat: int, reset: bool, with_data_length: bool = True
) -> Fields:
    """Return the body of a Logon.

    Args:
        heartbeat: seconds, more than 3.
        with_data_length: put RawDataLength (95) before RawData, as FIX wants for data fields. The
            documentation's own example leaves it out, and an exchange that refuses it can be served too.
    """
    if heartbeat < LOWEST_HEARTBEAT:
        raise SendRefused("fix_flags", f"HeartBtInt is at least {LOWEST_HEARTBEAT} seconds.")
    data: Fields = [(95, str(len(signature)))] if with_data_length else []
    return [
        (98, "0"),
        (108, str(heartbeat)),
        *([(141, "Y")] if reset else []),
        *data,
        (96, signature),
        (1137, "9"),
        *flags.fields(),
    ]
