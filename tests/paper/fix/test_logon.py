"""Who may log on, with what, and what everybody else is told."""

import pytest

from apps.paper.fix.testing import InProcessFix
from tests.paper.fix.client import SOH, FixClient, Msg, cut, stamp, wrap
from tests.paper.fix.conftest import Connect

RESENDING = ("KalshiRT", "KalshiPT")
OTHERS = ("KalshiNR", "KalshiDC", "KalshiRFQ")


def refused(answers: list[Msg], client: FixClient) -> str:
    """The text of the Logout that a refused logon ends with."""
    assert answers[-1][35] == "5", answers
    assert client.pipe.closed
    return answers[-1][58]


@pytest.mark.parametrize("target", [*RESENDING, *OTHERS])
def test_a_signed_logon_begins_a_session(connect: Connect, target: str) -> None:
    client = connect(target=target)

    (answer,) = client.log_on(heartbeat=17)

    assert answer.part(35, 49, 98, 108, 141, 1137) == {
        35: "A", 49: "Kalshi", 98: "0", 108: "17", 141: "Y", 1137: "9",
    }  # fmt: skip
    assert client.one("1", [(112, "are you there")])[112] == "are you there"


def test_the_signature_is_of_the_very_time_number_and_names(connect: Connect, fix: InProcessFix) -> None:
    client = connect()
    other = stamp(fix.paper.clock.now_ms() + 1)
    client.seq = 1
    # Signed for one time, sent with another.
    body = [(98, 0), (141, "Y"), (108, 30), (96, "c2lnbmF0dXJl"), (1137, 9)]

    client.send("A", body, header=[(52, other)])

    assert refused(client.read(), client) == "signature verification failed"


@pytest.mark.parametrize("raw", ["", "not base64!", "AAAA"])
def test_no_signature_no_session(connect: Connect, raw: str) -> None:
    client = connect()

    answers = client.ask("A", [(98, 0), (108, 30), (141, "Y"), (96, raw), (1137, 9)])

    assert "signature" in refused(answers, client) or answers[0][371] == "96"


def test_the_key_of_another_member_does_not_sign(connect: Connect) -> None:
    client, maker = connect(), connect("maker")
    client.key = maker.key

    assert refused(client.log_on(), client) == "signature verification failed"


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize("reset", [None, False])
def test_sessions_without_resend_reset_at_every_logon(connect: Connect, target: str, reset: bool | None) -> None:
    client = connect(target=target)

    assert "141" in refused(client.log_on(reset=reset), client)


@pytest.mark.parametrize("target", RESENDING)
@pytest.mark.parametrize("reset", [None, False])
def test_sessions_with_resend_need_not_reset(connect: Connect, target: str, reset: bool | None) -> None:
    (answer,) = connect(target=target).log_on(reset=reset)

    assert answer.part(35, 141) == {35: "A", 141: None}


@pytest.mark.parametrize("off_ms", [30_001, -30_001, 3_600_000])
def test_a_clock_that_is_off_is_rejected(connect: Connect, fix: InProcessFix, off_ms: int) -> None:
    client = connect()

    reject, logout = client.log_on(header=[(52, stamp(fix.paper.clock.now_ms() + off_ms))])

    assert reject.part(35, 371, 372, 373) == {35: "3", 371: "52", 372: "A", 373: "10"}
    assert logout[35] == "5"
    assert client.pipe.closed


def test_thirty_seconds_off_are_taken(connect: Connect, fix: InProcessFix) -> None:
    (answer,) = connect().log_on(header=[(52, stamp(fix.paper.clock.now_ms() - 30_000))])

    assert answer[35] == "A"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ([(56, "KalshiRT")], "TargetCompID must be KalshiNR on this port"),
        ([(56, "Kalshi")], "TargetCompID must be KalshiNR on this port"),
        ([(49, "00000000-0000-0000-0000-000000000000")], "unknown SenderCompID"),
        ([(34, 2)], "MsgSeqNum must be 1 with ResetSeqNumFlag<141>=Y"),
    ],
)
def test_wrong_names_and_numbers(connect: Connect, header: list[tuple[int, object]], text: str) -> None:
    client = connect()
    sent = client.log_on(header=header) if header[0][0] == 34 else []
    if not sent:
        client.send("A", [(98, 0), (108, 30), (141, "Y"), (96, "AAAA"), (1137, 9)], header=header)
        # Nobody is logged on, so the answer is to whoever asked, known or not.
        sent = _unchecked(client)

    assert refused(sent, client) == text


def _unchecked(client: FixClient) -> list[Msg]:
    return cut(client.pipe.take())[0]


def test_the_first_message_must_be_a_logon(connect: Connect) -> None:
    client = connect()

    assert client.ask("0") == []
    assert client.pipe.closed


def test_another_begin_string_is_refused(connect: Connect) -> None:
    client = connect()
    inner = f"35=A{SOH}49={client.key_id}{SOH}56=KalshiNR{SOH}34=1{SOH}52={stamp(client.now_ms())}{SOH}"
    client.pipe.feed(wrap(inner, begin="FIX.4.4"))

    assert refused(client.read(), client) == "Incorrect BeginString"


@pytest.mark.parametrize(("drop", "tag"), [(98, "98"), (108, "108"), (1137, "1137"), (96, "96")])
def test_a_missing_field_is_named(connect: Connect, drop: int, tag: str) -> None:
    client = connect()
    body = [(98, 0), (108, 30), (141, "Y"), (96, "AAAA"), (1137, 9)]

    reject, logout = client.ask("A", [row for row in body if row[0] != drop])

    assert reject.part(35, 371, 373) == {35: "3", 371: tag, 373: "1"}
    assert logout[35] == "5"


@pytest.mark.parametrize("heartbeat", [0, 1, 3, -5, 3_601])
def test_the_heartbeat_interval_is_above_three(connect: Connect, heartbeat: int) -> None:
    client = connect()

    assert "108" in refused(client.log_on(heartbeat=heartbeat), client)


def test_a_key_has_one_connection(connect: Connect, fix: InProcessFix) -> None:
    first = connect()
    first.log_on()

    for target in ("KalshiNR", "KalshiDC", "KalshiRT"):
        second = connect(target=target)
        assert refused(second.log_on(), second) == "already exists"
    assert first.one("1", [(112, "x")])[35] == "0"

    first.pipe.hang_up()
    assert connect().log_on()[0][35] == "A"


def test_two_keys_of_a_member_are_two_connections(connect: Connect) -> None:
    assert connect().log_on()[0][35] == "A"
    assert connect("reader", "KalshiDC").log_on()[0][35] == "A"


@pytest.mark.parametrize(
    ("target", "flags", "tag"),
    [
        ("KalshiDC", [(20126, "Y"), (21011, "Y")], "20126"),
        ("KalshiRFQ", [(20126, "Y"), (21011, "Y")], "20126"),
        ("KalshiNR", [(20126, "Y")], "21011"),
        ("KalshiNR", [(20126, "Y"), (21011, "N")], "21011"),
        ("KalshiRT", [(20126, "Y"), (21011, "Y"), (8013, "Y")], "8013"),
        ("KalshiNR", [(20127, "Y")], "20127"),
        ("KalshiDC", [(20127, "Y")], "20127"),
        ("KalshiNR", [(20200, 24)], "20200"),
        ("KalshiRT", [(20200, 73)], "20200"),
        ("KalshiRT", [(20200, 0)], "20200"),
    ],
)
def test_flags_that_do_not_go_together(
    connect: Connect, target: str, flags: list[tuple[int, object]], tag: str
) -> None:
    client = connect(target=target)

    assert tag in refused(client.log_on(*flags), client)


@pytest.mark.parametrize(
    ("target", "flags"),
    [
        ("KalshiNR", [(20126, "Y"), (21011, "Y"), (8013, "N")]),
        ("KalshiNR", [(20126, "Y"), (21003, "Y")]),
        ("KalshiRT", [(20126, "Y"), (21011, "Y"), (20200, 72)]),
        ("KalshiRT", [(20127, "Y"), (21005, "Y"), (21026, "Y")]),
        ("KalshiPT", [(20127, "N")]),
        ("KalshiNR", [(8013, "Y"), (21006, "Y"), (21007, "Y"), (21008, "Y"), (21012, "Y")]),
    ],
)
def test_flags_that_do(connect: Connect, target: str, flags: list[tuple[int, object]]) -> None:
    assert connect(target=target).log_on(*flags)[0][35] == "A"


@pytest.mark.parametrize(
    ("flag", "reason"), [((20126, "X"), "6"), ((333333, "Y"), "3"), ((38, 1), "2"), ((98, 0), "13"), ((21005, ""), "4")]
)
def test_a_logon_is_validated(connect: Connect, flag: tuple[int, object], reason: str) -> None:
    reject, logout = connect().log_on(flag)

    assert reject.part(35, 371, 373) == {35: "3", 371: str(flag[0]), 373: reason}
    assert logout[35] == "5"


def test_a_reader_listens_and_may_not_cancel(connect: Connect) -> None:
    client = connect("reader")
    assert "8013" in refused(client.log_on((8013, "Y")), client)

    assert connect("reader").log_on((20126, "Y"), (21011, "Y"))[0][35] == "A"


def test_logons_are_rate_limited(connect: Connect) -> None:
    for _ in range(10):  # the basic tier holds a hundred tokens, a logon costs ten
        client = connect("trader-2")
        assert client.log_on()[0][35] == "A"
        client.pipe.hang_up()
    client = connect("trader-2")

    assert refused(client.log_on(), client) == "rate limit exceeded"


def test_a_connection_without_a_logon_is_closed(connect: Connect, fix: InProcessFix) -> None:
    client = connect()

    fix.step(10_000)
    assert not client.pipe.closed
    fix.step(1)
    assert client.pipe.closed


def test_the_acceptors_clock_can_be_off(connect: Connect, fix: InProcessFix) -> None:
    fix.paper.control("POST", "/fix/rules", {"clock_offset_ms": 31_000})

    reject, _ = connect().log_on()

    assert (reject[35], reject[373]) == ("3", "10")


def test_a_deleted_key_ends_its_session(connect: Connect, fix: InProcessFix) -> None:
    client = connect()
    client.log_on()
    user_id = fix.paper.user_id("trader-1")
    fix.paper.server.core.keys.remove(client.key_id, user_id=user_id)
    fix.gateway.key_removed(client.key_id)

    assert refused(client.read(), client) == "the API key was deleted"
    again = connect()
    again.send("A", [(98, 0), (108, 30), (141, "Y"), (96, "AAAA"), (1137, 9)])
    assert refused(again.read(), again) == "unknown SenderCompID"


def test_the_maintenance_window_ends_sessions_and_takes_none(connect: Connect, fix: InProcessFix) -> None:
    client = connect(target="KalshiRT")
    client.log_on()
    fix.paper.control("POST", "/maintenance", {"window": "trading"})
    window = fix.paper.exchange.maintenance_window
    assert window is not None
    fix.step(window.start_ms - fix.paper.clock.now_ms())

    logout = client.read()[-1]
    assert logout.part(35, 58) == {35: "5", 58: "scheduled maintenance"}
    early = connect(target="KalshiRT")
    early.strict = False
    assert refused(early.log_on(reset=False), early) == "scheduled maintenance"

    fix.step(window.end_ms - fix.paper.clock.now_ms())
    back = connect(target="KalshiRT")
    back.seq, back.strict = client.seq, False
    (answer,) = back.log_on(reset=False)
    assert answer[35] == "A"
    assert int(answer[34]) == client.expected
