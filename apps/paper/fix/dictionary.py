"""What messages members may send: their fields, types, values and groups (Kalshi FIX dictionary v1.03).

Required fields are those of the pages (docs: fix/*); where a page and the XML file differ, the page counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Header and trailer fields that any message may have.
HEADER = frozenset({8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 1128, 1129})
TRAILER = frozenset({10, 89, 93})

_BY_TYPE = {
    "int": "95 98 108 303 371 373 378 380 9 93 383 20110 452 891 2964 20106 20131 20132 20200 21004 21010 21013 "
    "21025 79 102 103 297 298 532 658",
    "seqnum": "7 16 34 36 45 789",
    "count": "136 146 268 453 1703 20108 20181",
    "qty": "14 32 38 134 135 151 271 704 705",
    "price": "6 31 44 132 133 270 730",
    "amount": "137 152 1704 21009",
    "bool": "43 97 123 141 464 893 1057 8013 20126 20127 21005 21006 21007 21008 21011 21012 21026",
    "yn": "21015 21016 21022",
    "char": "39 40 54 59 139 150 263 269 279 281 434 530 531",
    "time": "52 60 122 126",
    "date": "715",
    "string": "8 10 11 17 18 35 37 41 48 49 50 55 56 57 58 89 96 112 115 116 117 128 129 131 138 142 143 144 145 372 "
    "379 448 526 553 554 880 1128 1129 1137 1705 20105 20107 20109 20130 20180 20182 20183 20184 21001 "
    "21002 21003 21023 21024",
}
TYPES: dict[int, str] = {int(tag): kind for kind, tags in _BY_TYPE.items() for tag in tags.split()}

ENUMS: dict[int, frozenset[str]] = {
    18: frozenset("6"),
    40: frozenset("2"),
    54: frozenset("12"),
    59: frozenset("01346"),
    98: frozenset("0"),
    452: frozenset({"24"}),
    530: frozenset("6"),
    1137: frozenset("9"),
    2964: frozenset("12"),
    20131: frozenset("12345"),
    20184: frozenset({"yes", "no"}),
}


@dataclass(frozen=True, slots=True)
class Group:
    """A repeating group: its fields in order, the first of which begins an entry."""

    members: tuple[int, ...]
    required: frozenset[int] = frozenset()


PARTIES = Group((448, 452))
LEGS = Group((20182, 20183, 20184), frozenset({20182, 20183, 20184}))


@dataclass(frozen=True, slots=True)
class Spec:
    """One message type. required, optional: tags of the body. groups: by their count field."""

    name: str
    required: frozenset[int] = frozenset()
    optional: frozenset[int] = frozenset()
    groups: Mapping[int, Group] = field(default_factory=dict)
    admin: bool = False

    def knows(self, tag: int) -> bool:
        """Whether the tag may be in the body, outside groups."""
        return tag in self.required or tag in self.optional or tag in self.groups


def _spec(name: str, required: str = "", optional: str = "", *, groups: Mapping[int, Group] | None = None) -> Spec:
    return Spec(name, _tags(required), _tags(optional), groups or {})


def _admin(name: str, required: str = "", optional: str = "") -> Spec:
    return Spec(name, _tags(required), _tags(optional), {}, admin=True)


def _tags(text: str) -> frozenset[int]:
    return frozenset(map(int, text.split()))


_FCM = {453: PARTIES}
SPECS: dict[str, Spec] = {
    "0": _admin("Heartbeat", "", "112"),
    "1": _admin("TestRequest", "112"),
    "2": _admin("ResendRequest", "7 16"),
    "3": _admin("Reject", "45", "371 372 373 58"),
    "4": _admin("SequenceReset", "36", "123"),
    "5": _admin("Logout", "", "58"),
    "A": _admin(
        "Logon",
        "98 108 96 1137",
        "95 141 789 383 464 553 554 8013 20126 20127 20200 21003 21005 21006 21007 21008 21011 21012 21026",
    ),
    "D": _spec("NewOrderSingle", "11 38 40 44 54 55", "18 59 60 126 79 526 2964 20130 21006 21009", groups=_FCM),
    "G": _spec("OrderCancelReplaceRequest", "11 38 40 41 54 55", "37 44 60 79 20130", groups=_FCM),
    "F": _spec("OrderCancelRequest", "11 41 54 55", "37 38 60 79", groups=_FCM),
    "q": _spec("OrderMassCancelRequest", "11 530", "60"),
    "UOG": _spec("OrderGroupRequest", "20131", "20130 20132 79"),
    "U1": _spec("EventResendRequest", "21001", "21002"),
    "R": _spec("QuoteRequest", "131 146", "55 38 152 21015 21016 20180 79", groups={453: PARTIES, 20181: LEGS}),
    "S": _spec("Quote", "117 131 55", "132 133 38 134 135 79 21015"),
    "Z": _spec("QuoteCancel", "117"),
    "U7": _spec("QuoteConfirm", "117"),
    "UA": _spec("AcceptQuote", "117 54", "38 11 21022", groups=_FCM),
    "UE": _spec("RFQCancel", "", "131 21023", groups=_FCM),
    "j": _spec("BusinessMessageReject", "380", "45 371 372 379 58"),
}
# Types that only the exchange sends.
OUTBOUND = frozenset({"8", "9", "r", "UOH", "U2", "U3", "b", "AI", "U8", "U9", "UC", "UB", "AG", "UMS"})

# What each session type takes beside the session messages (docs: fix/common-components, Supported MsgTypes).
ACCEPTS: dict[str, frozenset[str]] = {
    "KalshiNR": frozenset({"D", "F", "G", "q", "UOG", "j"}),
    "KalshiRT": frozenset({"D", "F", "G", "UOG", "R", "UA", "UE", "j"}),
    "KalshiDC": frozenset({"U1", "j"}),
    "KalshiRFQ": frozenset({"S", "Z", "U7", "j"}),
    "KalshiPT": frozenset({"j"}),
}
# Message persistence and retransmission; all others need ResetSeqNumFlag=Y at every Logon.
RETRANSMITS = frozenset({"KalshiRT", "KalshiPT"})
ENTRY = frozenset({"KalshiNR", "KalshiRT"})
PORT_OFFSETS = {"KalshiNR": 0, "KalshiDC": 1, "KalshiRT": 2, "KalshiPT": 3, "KalshiRFQ": 4}  # as 8228 to 8232
