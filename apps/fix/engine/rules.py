"""What each kind of session may do. Source: docs:fix/common-components "Supported MsgTypes", fix/authentication."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """A session by its TargetCompID."""

    NR = "KalshiNR"
    RT = "KalshiRT"
    DC = "KalshiDC"
    PT = "KalshiPT"
    RFQ = "KalshiRFQ"
    MD = "KalshiMD"  # of the margin exchange alone


@dataclass(frozen=True, slots=True)
class SessionRules:
    """One kind of session.

    is_retained: the exchange stores what it sent and answers ResendRequest; otherwise each logon resets (141=Y).
    sends, receives: application messages, seen from the desk.
    """

    kind: Kind
    is_retained: bool
    sends: frozenset[str]
    receives: frozenset[str]
    may_listen: bool = False


ADMIN: Final = frozenset({"0", "1", "2", "3", "4", "5", "A"})
_ORDER_IN: Final = frozenset({"8", "9", "j", "UOH"})
_ORDER_OUT: Final = frozenset({"D", "F", "G", "UOG"})

RULES: Final[dict[Kind, SessionRules]] = {
    Kind.NR: SessionRules(
        Kind.NR, is_retained=False, sends=_ORDER_OUT | {"q"}, receives=_ORDER_IN | {"r"}, may_listen=True
    ),
    Kind.RT: SessionRules(
        Kind.RT,
        is_retained=True,
        sends=_ORDER_OUT | {"R", "UA", "UE"},
        receives=_ORDER_IN | {"b", "S", "AG", "UC", "UB", "UMS"},
        may_listen=True,
    ),
    Kind.DC: SessionRules(
        Kind.DC, is_retained=False, sends=frozenset({"U1"}), receives=frozenset({"8", "U2", "U3", "j"})
    ),
    Kind.PT: SessionRules(Kind.PT, is_retained=True, sends=frozenset(), receives=frozenset({"UMS", "j"})),
    Kind.RFQ: SessionRules(
        Kind.RFQ,
        is_retained=False,
        sends=frozenset({"S", "Z", "U7"}),
        receives=frozenset({"R", "AI", "U9", "AG", "U8", "j"}),
    ),
}

_MARGIN_OUT: Final = frozenset({"D", "F", "G", "UOG"})
# The margin exchange: no RFQs, no settlement reports, and order books by FIX (docs:fix-margin/*).
MARGIN_RULES: Final[dict[Kind, SessionRules]] = {
    Kind.NR: SessionRules(
        Kind.NR, is_retained=False, sends=_MARGIN_OUT | {"q"}, receives=_ORDER_IN | {"r"}, may_listen=True
    ),
    Kind.RT: SessionRules(Kind.RT, is_retained=True, sends=_MARGIN_OUT, receives=_ORDER_IN, may_listen=True),
    Kind.DC: RULES[Kind.DC],
    Kind.MD: SessionRules(Kind.MD, is_retained=False, sends=frozenset({"V"}), receives=frozenset({"W", "X", "Y", "j"})),
}
# Fields that messages of the event exchange have and the pages of the margin exchange lack.
MARGIN_LACKS: Final[dict[str, frozenset[int]]] = {"D": frozenset({20130, 21009}), "UOG": frozenset({79})}


def rules_of(kind: Kind, *, is_margin: bool = False) -> SessionRules | None:
    """Return the rules of a session, None where that exchange has no such session."""
    return (MARGIN_RULES if is_margin else RULES).get(kind)


# Sent again by us only while this young and only where a repeat does nothing (RELIABILITY 3a). A create, a
# replacement, a quote, an acceptance or a mass cancel is never sent twice: the exchange is told to skip its number.
RESEND_WITHIN_MS: Final = 2_000
_REPEATABLE: Final = frozenset({"F", "Z", "U7", "UE"})


def may_resend(msg_type: str, age_ms: int) -> bool:
    """Say whether a message may answer a ResendRequest; if not, its number is filled."""
    return msg_type in _REPEATABLE and 0 <= age_ms <= RESEND_WITHIN_MS
