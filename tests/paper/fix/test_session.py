"""Session rules: numbers, duplicates, gaps, resends, resets, heartbeats, field checks."""

import pytest

from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import LINEAR
from tests.paper.fix.client import SOH, FixClient, Msg, stamp, wrap
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import Pairs, order

RESENDING = ("KalshiRT", "KalshiPT")
OTHERS = ("KalshiNR", "KalshiDC", "KalshiRFQ")


@pytest.fixture
def rt(connect: Connect) -> FixClient:
    client = connect(target="KalshiRT")
    client.log_on()
    return client


@pytest.fixture
def nr(connect: Connect) -> FixClient:
    client = connect()
    client.log_on()
    return client


def alive(client: FixClient) -> bool:
    """Whether the session takes a test request in its turn."""
    answers = client.ask("1", [(112, "alive")])
    return bool(answers) and answers[-1].get(112) == "alive"


# --- numbers -------------------------------------------------------------------------------------
@pytest.mark.parametrize("target", [*RESENDING, *OTHERS])
def test_a_number_that_is_too_low_ends_the_session(connect: Connect, target: str) -> None:
    client = connect(target=target)
    client.log_on()
    client.send("0", seq=1)

    (logout,) = client.read()

    assert logout.part(35, 58) == {35: "5", 58: "MsgSeqNum too low, expecting 2 but received 1"}
    assert client.pipe.closed


@pytest.mark.parametrize("target", OTHERS)
def test_a_gap_ends_a_session_without_resend(connect: Connect, target: str) -> None:
    client = connect(target=target)
    client.log_on()
    client.send("0", seq=5)

    (logout,) = client.read()

    assert logout.part(35, 58) == {35: "5", 58: "MsgSeqNum too high, expecting 2 but received 5"}
    assert client.pipe.closed


@pytest.mark.parametrize("target", RESENDING)
def test_a_gap_is_asked_for_once_and_then_all_is_taken_in_order(connect: Connect, target: str) -> None:
    client = connect(target=target)
    client.log_on()
    client.send("1", [(112, "four")], seq=4)
    client.send("1", [(112, "five")], seq=5)

    (request,) = client.read()
    assert request.part(35, 7, 16) == {35: "2", 7: "2", 16: "0"}

    client.send("4", [(123, "Y"), (36, 4)], seq=2, header=[(43, "Y"), (122, stamp(client.now_ms()))])
    assert [msg[112] for msg in client.read()] == ["four", "five"]
    client.seq = 6
    assert alive(client)


def test_what_fills_a_gap_may_be_the_messages_themselves(rt: FixClient) -> None:
    dup = [(43, "Y"), (122, stamp(rt.now_ms()))]
    rt.send("1", [(112, "c")], seq=4)
    assert [msg[35] for msg in rt.read()] == ["2"]

    rt.send("1", [(112, "a")], seq=2, header=dup)
    rt.send("1", [(112, "b")], seq=3, header=dup)
    rt.send("1", [(112, "c")], seq=4, header=dup)

    assert [msg[112] for msg in rt.read()] == ["a", "b", "c"]
    rt.seq = 5
    assert alive(rt)


def test_a_logon_behind_a_gap_begins_the_session_and_asks(connect: Connect) -> None:
    client = connect(target="KalshiRT")
    client.seq = 4

    answers = client.log_on(reset=False)

    assert [msg[35] for msg in answers] == ["A", "2"]
    assert answers[1].part(7, 16) == {7: "1", 16: "0"}
    client.send("4", [(123, "Y"), (36, 5)], seq=1, header=[(43, "Y"), (122, stamp(client.now_ms()))])
    assert client.read() == []
    assert alive(client)


def test_a_logon_with_a_number_of_before_is_refused(connect: Connect, rt: FixClient) -> None:
    assert alive(rt)
    rt.pipe.hang_up()
    client = connect(target="KalshiRT")
    client.seq, client.strict = 2, False

    (logout,) = client.log_on(reset=False)

    assert logout.part(35, 58) == {35: "5", 58: "MsgSeqNum too low, expecting 3 but received 2"}


@pytest.mark.parametrize("number", [None, "", "x", "-1"])
def test_a_message_without_a_number_ends_the_session(nr: FixClient, number: str | None) -> None:
    nr.send("0", header=[(34, number)])

    (logout,) = nr.read()

    assert logout.part(35, 58) == {35: "5", 58: "MsgSeqNum is missing"}


def test_garbled_messages_use_up_no_number(nr: FixClient, fix: InProcessFix) -> None:
    inner = f"35=0{SOH}49={nr.key_id}{SOH}56=KalshiNR{SOH}34=2{SOH}52={stamp(nr.now_ms())}{SOH}"
    good = wrap(inner)
    nr.pipe.feed(good[:-4] + b"000\x01" if good[-4:-1] != b"000" else good[:-4] + b"001\x01")

    assert nr.read() == []
    assert alive(nr)
    assert fix.paper.control("GET", "/fix")["garbled"] == 1


# --- duplicates ----------------------------------------------------------------------------------
@pytest.mark.parametrize("target", ["KalshiNR", "KalshiRT"])
def test_a_duplicate_of_before_is_let_pass(connect: Connect, target: str) -> None:
    client = connect(target=target)
    client.log_on((21011, "Y"))
    client.ask("D", order("a"))
    client.send("D", order("a"), seq=2, header=[(43, "Y"), (122, stamp(client.now_ms()))])

    assert client.read() == []
    assert alive(client)


def test_a_duplicate_says_when_it_was_sent_first(nr: FixClient) -> None:
    nr.send("0", seq=1, header=[(43, "Y")])

    (reject,) = nr.read()

    assert reject.part(35, 45, 371, 373) == {35: "3", 45: "1", 371: "122", 373: "1"}
    assert alive(nr)


def test_a_duplicate_cannot_be_sent_before_it_was_sent_first(nr: FixClient) -> None:
    nr.send("0", header=[(43, "Y"), (122, stamp(nr.now_ms() + 1_000))])

    reject, logout = nr.read()

    assert reject.part(35, 371, 373) == {35: "3", 371: "122", 373: "10"}
    assert logout[35] == "5"


def test_a_possible_resend_of_an_order_is_not_placed_twice(nr: FixClient) -> None:
    nr.ask("D", order("a"))

    nr.send("D", order("a"), header=[(97, "Y")])
    assert nr.read() == []
    nr.send("D", order("b"), header=[(97, "Y")])
    assert [msg[150] for msg in nr.read()] == ["A", "0"]


# --- resend --------------------------------------------------------------------------------------
def test_a_resend_has_the_same_numbers_marked_as_duplicates(rt: FixClient, fix: InProcessFix) -> None:
    for name in "ab":
        first = rt.ask("D", order(name))
        assert [msg[35] for msg in first] == ["8", "8"]
    alive(rt)
    fix.step(5)
    rt.strict = False

    again = rt.ask("2", [(7, 2), (16, 0)])

    assert [(msg[34], msg[35], msg[43]) for msg in again] == [
        ("2", "8", "Y"), ("3", "8", "Y"), ("4", "8", "Y"), ("5", "8", "Y"), ("6", "4", "Y"),
    ]  # fmt: skip
    assert again[-1].part(123, 36) == {123: "Y", 36: "7"}
    assert int(again[0][122].replace("-", "").replace(":", "").replace(".", "")) < int(
        again[0][52].replace("-", "").replace(":", "").replace(".", "")
    )
    rt.expected = 7
    rt.strict = True
    assert alive(rt)


def test_admin_messages_are_one_gap_fill(rt: FixClient) -> None:
    for _ in range(3):
        alive(rt)
    rt.strict = False

    (fill,) = rt.ask("2", [(7, 1), (16, 3)])

    assert fill.part(34, 35, 123, 36) == {34: "1", 35: "4", 123: "Y", 36: "4"}


def test_a_part_can_be_asked_for(rt: FixClient) -> None:
    for name in "abc":
        rt.ask("D", order(name))
    rt.strict = False

    assert [msg[34] for msg in rt.ask("2", [(7, 3), (16, 4)])] == ["3", "4"]
    assert [msg[34] for msg in rt.ask("2", [(7, 7), (16, 99)])] == ["7"]


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (3, 2), (99, 0)])
def test_a_range_that_is_none(rt: FixClient, begin: int, end: int) -> None:
    alive(rt)

    reject = rt.one("2", [(7, begin), (16, end)])

    assert reject.part(35, 371, 373) == {35: "3", 371: "7", 373: "5"}


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize(("kind", "body"), [("2", [(7, 1), (16, 0)]), ("4", [(123, "Y"), (36, 9)]), ("4", [(36, 9)])])
def test_sessions_without_resend_have_no_resend(connect: Connect, target: str, kind: str, body: Pairs) -> None:
    client = connect(target=target)
    client.log_on()

    reject = client.one(kind, body)

    assert reject.part(35, 372, 373) == {35: "3", 372: kind, 373: "11"}
    assert alive(client)


def test_two_resend_requests_may_cross(rt: FixClient) -> None:
    rt.ask("D", order("a"))
    rt.strict = False
    # This side asks behind a gap of its own: both must be answered.
    rt.send("2", [(7, 2), (16, 3)], seq=5)

    answers = rt.read()

    assert [msg[35] for msg in answers] == ["8", "8", "2"]
    rt.send("4", [(123, "Y"), (36, 5)], seq=3, header=[(43, "Y"), (122, stamp(rt.now_ms()))])
    rt.send("2", [(7, 2), (16, 3)], seq=5, header=[(43, "Y"), (122, stamp(rt.now_ms()))])
    rt.read()
    rt.seq = 6
    assert alive(rt)


def test_what_happens_without_a_connection_can_be_asked_for(connect: Connect, fix: InProcessFix, rt: FixClient) -> None:
    rt.ask("D", order("a"))
    sent, got = rt.seq, rt.expected
    rt.pipe.hang_up()
    fix.paper.control(
        "POST",
        "/external",
        {"action": "place", "member": "maker", "ticker": LINEAR, "side": "ask", "price": "0.3000", "count": "4.00"},
    )

    back = connect(target="KalshiRT")
    back.seq, back.strict = sent, False
    (answer,) = back.log_on(reset=False)
    assert int(answer[34]) == got + 1
    (trade,) = back.ask("2", [(7, got), (16, got)])

    assert trade.part(34, 35, 43, 150, 32) == {34: str(got), 35: "8", 43: "Y", 150: "F", 32: "4.00"}


def test_a_reset_forgets_what_was_kept(connect: Connect, rt: FixClient) -> None:
    rt.ask("D", order("a"))
    rt.pipe.hang_up()
    back = connect(target="KalshiRT")

    assert back.log_on(reset=True)[0][34] == "1"
    back.strict = False
    assert [msg[35] for msg in back.ask("2", [(7, 1), (16, 0)])] == ["4"]


@pytest.mark.parametrize(("hours", "flags"), [(24, ()), (72, ((20200, 72),))])
def test_messages_are_kept_for_the_retention(
    connect: Connect, fix: InProcessFix, hours: int, flags: tuple[tuple[int, object], ...]
) -> None:
    first = connect(target="KalshiRT")
    first.log_on(*flags)
    first.ask("D", order("a"))
    first.pipe.hang_up()
    for over_ms, expected in ((0, ["8", "8", "4"]), (1, ["3"])):
        fix.step(over_ms or hours * 3_600_000)
        back = connect(target="KalshiRT")
        back.strict = False
        session = fix.gateway.sessions["KalshiRT" + back.key_id]
        back.seq = session.next_in
        assert back.log_on(*flags, reset=False)[0][35] == "A"

        answers = back.ask("2", [(7, 2), (16, 4)])

        assert [msg[35] for msg in answers] == expected, over_ms
        if expected == ["3"]:
            assert answers[0].part(371, 373, 58) == {
                371: "7", 373: "5", 58: "BeginSeqNo is beyond the lookback window",
            }  # fmt: skip
        back.pipe.hang_up()


def test_numbers_and_messages_are_there_after_a_kill(connect: Connect, fix: InProcessFix, rt: FixClient) -> None:
    rt.ask("D", order("a"))
    restarted = fix.again()

    back = connect(target="KalshiRT", gateway=restarted)
    back.seq, back.expected = rt.seq, rt.expected
    assert back.log_on(reset=False)[0][35] == "A"
    back.strict = False
    assert [msg[35] for msg in back.ask("2", [(7, 2), (16, 3)])] == ["8", "8"]


def test_the_exchange_may_ask_for_old_messages(rt: FixClient, fix: InProcessFix) -> None:
    fix.paper.control("POST", "/fix/resend", {"begin": 1, "session": "KalshiRT"})

    (request,) = rt.read()

    assert request.part(35, 7, 16) == {35: "2", 7: "1", 16: "0"}


# --- sequence reset ------------------------------------------------------------------------------
def test_a_gap_fill_uses_up_numbers(rt: FixClient) -> None:
    rt.send("4", [(123, "Y"), (36, 10)])
    assert rt.read() == []
    rt.seq = 10
    assert alive(rt)


@pytest.mark.parametrize("fill", ["Y", "N"])
def test_a_reset_to_a_number_of_before_is_rejected(rt: FixClient, fill: str) -> None:
    alive(rt)
    reject = rt.one("4", [(123, fill), (36, 1)])

    assert reject.part(35, 371, 373) == {35: "3", 371: "36", 373: "5"}


@pytest.mark.parametrize("seq", [1, 2, 77])
def test_a_reset_counts_whatever_its_own_number(rt: FixClient, seq: int) -> None:
    rt.send("4", [(36, 20)], seq=seq)
    assert rt.read() == []
    rt.seq = 20
    assert alive(rt)


@pytest.mark.parametrize("target", ["KalshiRT", "KalshiNR"])
def test_a_session_may_begin_anew_while_it_goes_on(connect: Connect, target: str) -> None:
    client = connect(target=target)
    client.log_on()
    alive(client)

    (answer,) = client.log_on(reset=True)

    assert answer.part(34, 35, 141) == {34: "1", 35: "A", 141: "Y"}
    assert alive(client)


def test_a_second_logon_without_a_reset_ends_the_session(rt: FixClient) -> None:
    (logout,) = rt.log_on(reset=False)

    assert logout.part(35, 58) == {35: "5", 58: "already logged on"}


# --- heartbeats and logout -----------------------------------------------------------------------
def test_heartbeats_come_when_nothing_else_does(nr: FixClient, fix: InProcessFix) -> None:
    for _ in range(3):
        nr.send("0")
        fix.step(29_999)
        assert nr.read() == []
        nr.send("0")
        fix.step(1)
        (beat,) = nr.read()
        assert beat.part(35, 112) == {35: "0", 112: None}


def test_silence_is_asked_about_and_then_ends_the_session(nr: FixClient, fix: InProcessFix) -> None:
    fix.step(36_001)
    request = nr.read()[-1]
    assert request[35] == "1"
    fix.step(30_000)

    assert nr.read()[-1].part(35, 58) == {35: "5", 58: "heartbeat response not received within interval"}
    assert nr.pipe.closed


def test_an_answer_keeps_the_session(nr: FixClient, fix: InProcessFix) -> None:
    fix.step(36_001)
    nr.send("0", [(112, nr.read()[-1][112])])
    fix.step(29_000)

    assert not nr.pipe.closed
    assert alive(nr)


@pytest.mark.parametrize("target", ["KalshiNR", "KalshiRT"])
def test_a_logout_is_answered_without_a_text(connect: Connect, target: str) -> None:
    client = connect(target=target)
    client.log_on()

    answer = client.one("5", [(58, "bye")])

    assert answer.part(35, 58) == {35: "5", 58: None}
    assert client.pipe.closed


def test_a_logout_behind_a_gap_is_answered(rt: FixClient) -> None:
    rt.send("5", seq=9)

    assert [msg[35] for msg in rt.read()] == ["5"]


# --- fields --------------------------------------------------------------------------------------
def wrong(name: str, *rows: tuple[int, object]) -> Pairs:
    given = dict(rows)
    return [(tag, given.pop(tag, value)) for tag, value in order(name)] + list(given.items())


REJECTED: dict[str, tuple[str, Pairs, str, str]] = {
    "undefined tag": ("D", wrong("a", (333333, "test")), "333333", "3"),
    "tag zero": ("D", wrong("a", (0, "x")), "0", "0"),
    "tag of another message": ("D", wrong("a", (117, "x")), "117", "2"),
    "no value": ("D", wrong("a", (58, "")), "58", "2"),
    "empty value": ("D", wrong("a", (55, "")), "55", "4"),
    "value not allowed": ("D", wrong("a", (54, "3")), "54", "5"),
    "value not allowed, order type": ("D", wrong("a", (40, "1")), "40", "5"),
    "value not allowed, exec inst": ("D", wrong("a", (18, "G")), "18", "5"),
    "no number": ("D", wrong("a", (38, "ten")), "38", "6"),
    "exponent": ("D", wrong("a", (44, "1e1")), "44", "6"),
    "not a number": ("D", wrong("a", (44, "NaN")), "44", "6"),
    "no time": ("D", wrong("a", (126, "tomorrow")), "126", "6"),
    "no such time": ("D", wrong("a", (126, "20261345-00:00:00")), "126", "6"),
    "no flag": ("D", wrong("a", (21006, "1")), "21006", "6"),
    "missing": ("D", [row for row in order("a") if row[0] != 55], "55", "1"),
    "twice": ("D", [*order("a"), (55, "B")], "55", "13"),
    "header behind body": ("D", [*order("a"), (97, "N")], "97", "14"),
    "body behind trailer": ("D", [(93, "1"), *order("a")], "11", "14"),
    "group count": ("D", [*order("a"), (453, 2), (448, "x"), (452, 24)], "453", "16"),
    "group of none with entries": ("D", [*order("a"), (453, 0), (448, "x"), (452, 24)], "453", "16"),
    "group order": ("D", [*order("a"), (453, 1), (452, 24), (448, "x")], "452", "15"),
    "group tag twice": ("D", [*order("a"), (453, 1), (448, "x"), (452, 24), (452, 24)], "452", "15"),
    "group tag alone": ("D", [*order("a"), (448, "x")], "448", "2"),
    "test request without id": ("1", [], "112", "1"),
    "unknown type": ("ZZ", [], "35", "11"),
    "long ClOrdID": ("D", wrong("a" * 65), "11", "5"),
    "group id": ("D", wrong("a", (526, "not-a-uuid")), "526", "6"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_field_that_is_wrong_is_named(nr: FixClient, name: str) -> None:
    kind, body, tag, reason = REJECTED[name]
    seq = nr.seq

    reject = nr.one(kind, body)

    if tag == "0":
        assert reject.part(35, 45, 371, 373) == {35: "3", 45: str(seq), 371: None, 373: reason}
    else:
        assert reject.part(35, 45, 371, 372, 373) == {35: "3", 45: str(seq), 371: tag, 372: kind, 373: reason}
    assert reject[58]
    assert alive(nr)


def test_fields_may_come_in_any_order(nr: FixClient) -> None:
    assert [msg[150] for msg in nr.ask("D", list(reversed(order("a"))))] == ["A", "0"]


def test_an_empty_group_is_none(nr: FixClient) -> None:
    assert [msg[150] for msg in nr.ask("D", [*order("a"), (453, 0)])] == ["A", "0"]


@pytest.mark.parametrize(("tag", "value"), [(49, "somebody"), (56, "KalshiRT"), (49, None), (56, None)])
def test_names_must_stay_the_same(nr: FixClient, tag: int, value: str | None) -> None:
    nr.send("0", header=[(tag, value)])

    answers = nr.read()

    assert answers[0].part(35, 371, 373) == {35: "3", 371: str(tag), 373: "1" if value is None else "9"}
    assert [msg[35] for msg in answers[1:]] == ([] if value is None else ["5"])


@pytest.mark.parametrize("off_ms", [30_001, -30_001])
def test_every_message_is_of_now(nr: FixClient, off_ms: int) -> None:
    nr.send("D", order("a"), header=[(52, stamp(nr.now_ms() + off_ms))])

    (reject,) = nr.read()

    assert reject.part(35, 371, 373) == {35: "3", 371: "52", 373: "10"}
    assert alive(nr)


@pytest.mark.parametrize(("value", "reason"), [(None, "1"), ("now", "6")])
def test_every_message_says_when(nr: FixClient, value: str | None, reason: str) -> None:
    nr.send("0", header=[(52, value)])

    assert nr.read()[0].part(35, 371, 373) == {35: "3", 371: "52", 373: reason}


def test_another_begin_string_ends_the_session(nr: FixClient) -> None:
    inner = f"35=0{SOH}49={nr.key_id}{SOH}56=KalshiNR{SOH}34=2{SOH}52={stamp(nr.now_ms())}{SOH}"
    nr.pipe.feed(wrap(inner, begin="FIX.4.2"))

    assert nr.read()[0].part(35, 58) == {35: "5", 58: "Incorrect BeginString"}


# --- what is not for this session ----------------------------------------------------------------
NOT_OFFERED = [
    ("KalshiRT", "q", [(11, "a"), (530, 6)]),
    ("KalshiNR", "R", [(131, "a"), (146, 1), (55, LINEAR), (38, 1)]),
    ("KalshiNR", "U1", [(21001, "1;1")]),
    ("KalshiDC", "D", order("a")),
    ("KalshiRFQ", "D", order("a")),
    ("KalshiPT", "D", order("a")),
    ("KalshiDC", "S", [(117, "a"), (131, "b"), (55, LINEAR), (132, 1)]),
    ("KalshiNR", "8", []),
    ("KalshiPT", "UMS", []),
]


@pytest.mark.parametrize(("target", "kind", "body"), NOT_OFFERED)
def test_a_message_for_another_session_is_unsupported(connect: Connect, target: str, kind: str, body: Pairs) -> None:
    client = connect(target=target)
    client.log_on()

    answer = client.one(kind, body)

    assert answer.part(35, 45, 372, 380) == {35: "j", 45: "2", 372: kind, 380: "3"}
    assert alive(client)


def test_messages_over_the_budget_are_refused(connect: Connect) -> None:
    client = connect("trader-2")
    client.log_on((21011, "Y"))
    answers: list[Msg] = []
    for number in range(12):
        answers += client.ask("D", order(f"o{number}"))

    assert [msg[35] for msg in answers] == ["8"] * 9 + ["j"] * 3
    assert answers[-1].part(372, 380) == {372: "D", 380: "8"}
    assert alive(client), "session messages cost nothing"
