"""Faults on demand: each does what it says, to the messages that it is meant for, as often as it was asked to."""

from typing import Any, get_args

import pytest

from apps.paper.fix.faults import CORRUPTIONS, FixFaultKind
from apps.paper.fix.testing import InProcessFix
from tests.paper.fix.client import SOH, FixClient, cut
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import change, order


def arm(fix: InProcessFix, kind: str, **over: Any) -> None:
    fix.paper.control("POST", "/fix/fault", {"kind": kind} | over)


@pytest.fixture
def rt(connect: Connect) -> FixClient:
    made = connect(target="KalshiRT")
    made.log_on((21011, "Y"))
    made.strict = False
    return made


def numbers(client: FixClient, name: str) -> list[str]:
    return [msg[34] for msg in client.ask("D", order(name))]


def raw(client: FixClient, name: str) -> bytes:
    client.send("D", order(name))
    return client.pipe.take()


def test_a_lost_message_leaves_no_trace(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "lose", msg_type="8")

    assert numbers(rt, "a") == []
    assert numbers(rt, "b") == ["2"]


def test_a_swallowed_message_leaves_a_gap_and_can_be_asked_for(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "swallow", count=2)

    assert [numbers(rt, name) for name in "abc"] == [[], [], ["4"]]
    assert [(msg[34], msg[11]) for msg in rt.ask("2", [(7, 2), (16, 3)])] == [("2", "a"), ("3", "b")]


def test_numbers_are_left_out(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "gap", size=5)

    assert numbers(rt, "a") == ["7"]
    (fill,) = rt.ask("2", [(7, 2), (16, 6)])
    assert fill.part(35, 36) == {35: "4", 36: "7"}


def test_a_message_comes_twice(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "repeat")

    assert numbers(rt, "a") == ["2", "2"]


def test_a_message_comes_again_as_a_possible_duplicate(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "poss_dup")

    first, again = rt.ask("D", order("a"))

    assert (first[34], again[34]) == ("2", "2")
    assert first.get(43) is None
    assert again.part(43, 122, 17) == {43: "Y", 122: first[52], 17: first[17]}


def test_a_message_comes_again_as_a_possible_resend(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "poss_resend", msg_type="8")

    first, again = rt.ask("D", order("a"))

    assert (first[34], again[34], again[97], again[17]) == ("2", "3", "Y", first[17])


def test_an_exec_id_says_something_else_the_second_time(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "conflict", msg_type="8")

    first, again = rt.ask("D", order("a"))

    assert (again[34], again[17], again.get(97)) == ("3", first[17], None)
    assert (first[44], again[44]) == ("30", "1")


def test_messages_change_places(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "reorder")

    assert numbers(rt, "a") == []
    assert numbers(rt, "b") == ["3", "2"]


def test_a_message_is_late_and_all_behind_it(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "delay", delay_ms=2_000)

    assert numbers(rt, "a") == []
    assert numbers(rt, "b") == []
    fix.step(1_999)
    assert rt.read() == []
    fix.step(1)
    assert [msg[34] for msg in rt.read()] == ["2", "3"]
    assert numbers(rt, "c") == ["4"]


def test_a_message_has_a_number_of_before(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "old_seq")

    assert [numbers(rt, name) for name in "ab"] == [["1"], ["3"]]


@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_the_connection_dies(rt: FixClient, fix: InProcessFix, kind: str) -> None:
    arm(fix, kind, msg_type="8", skip=1)
    assert numbers(rt, "a") == ["2"]

    assert numbers(rt, "b") == ([] if kind == "cut_before" else ["3"])

    assert rt.pipe.closed
    (session,) = [row for row in fix.paper.control("GET", "/fix")["sessions"] if row["session"] == "KalshiRT"]
    assert (session["connected"], session["next_out"]) == (False, 4)


def test_a_drop_copy_may_end_in_the_middle(connect: Connect, client: FixClient, fix: InProcessFix) -> None:
    for name in "abcd":
        client.ask("D", order(name))
    arm(fix, "cut_after", session="KalshiDC", msg_type="8", skip=2)
    copy = connect("reader", "KalshiDC")
    copy.log_on()

    assert [msg[35] for msg in copy.ask("U1", [(21001, "0;0")])] == ["8", "8", "8"]
    assert copy.pipe.closed


def test_a_message_of_the_member_is_ignored(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "ignore", msg_type="1", count=2)

    assert rt.ask("1", [(112, "a")]) == []
    assert rt.ask("1", [(112, "b")]) == []
    assert rt.one("1", [(112, "c")])[112] == "c"


def test_or_never_came(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "unread", msg_type="D")

    assert rt.ask("D", order("a")) == []
    assert rt.one("1", [(112, "b")])[35] == "2"


def test_a_logon_is_refused(connect: Connect, fix: InProcessFix) -> None:
    arm(fix, "refuse_logon", session="KalshiNR", text="already exists")
    client = connect()

    (logout,) = client.log_on()

    assert logout.part(35, 58) == {35: "5", 58: "already exists"}
    assert connect().log_on()[0][35] == "A"


def test_a_dead_connection_is_noticed_late(connect: Connect, fix: InProcessFix) -> None:
    first = connect()
    first.log_on(heartbeat=20)
    arm(fix, "hold")
    first.pipe.hang_up()

    fix.step(44_000)
    early = connect()
    assert early.log_on()[0].part(35, 58) == {35: "5", 58: "already exists"}
    fix.step(1)
    assert connect().log_on()[0][35] == "A"


@pytest.mark.parametrize("reason", ["1", "2", "3", "4"])
def test_a_drop_copy_is_refused(connect: Connect, fix: InProcessFix, reason: str) -> None:
    arm(fix, "drop_copy", how=reason)
    copy = connect("reader", "KalshiDC")
    copy.log_on()

    assert [copy.one("U1", [(21001, "0;0")]).get(21004) for _ in range(2)] == [reason, None]


def test_a_drop_copy_counts_wrong(connect: Connect, fix: InProcessFix) -> None:
    arm(fix, "miscount")
    copy = connect("reader", "KalshiDC")
    copy.log_on()

    assert [copy.one("U1", [(21001, "0;0")])[21003] for _ in range(2)] == ["1", "0"]


@pytest.mark.parametrize("how", CORRUPTIONS)
def test_a_message_is_damaged(rt: FixClient, fix: InProcessFix, how: str) -> None:
    arm(fix, "corrupt", how=how)

    damaged = raw(rt, "a")
    whole = raw(rt, "b")

    (second,), rest = cut(whole)
    assert (second[34], rest) == ("3", b"")
    if how in ("checksum", "short_length", "long_length"):
        with pytest.raises(AssertionError):
            cut(damaged)
    elif how in ("garbage", "truncate"):
        assert not damaged.endswith(b"\x01") or not damaged.startswith(b"8=FIXT.1.1")
    else:
        assert _difference(damaged, second.fields, how)


def _difference(damaged: bytes, fields: list[tuple[int, str]], how: str) -> bool:
    """Whether a damaged message, right in length and checksum, is wrong in its own way."""
    body = damaged[damaged.index(b"\x0135=") + 1 : damaged.rindex(b"10=")]
    assert f"\x019={len(body)}\x01".encode() in damaged
    assert damaged.endswith(f"10={sum(damaged[:-7]) % 256:03d}{SOH}".encode())
    seen = {
        "soh": b"58=a\x01b\x01" in body,
        "huge": len(damaged) > 1_000_000,
        "repeated_tag": body.count(b"\x0158=") == 2,
        "unknown_tag": b"\x01333333=test\x01" in body,
        "no_value": b"\x0158=\x01" in body,
        "begin_string": damaged.startswith(b"8=FIX.4.4\x01"),
        "comp_id": b"\x0149=Somebody\x01" in body,
        "no_seq": b"\x0134=" not in body,
        "old_time": b"\x0152=20200101" in body,
        "msg_type": body.startswith(b"35=ZZ\x01"),
    }
    return seen[how]


def test_faults_hit_whom_they_are_meant_for(
    connect: Connect, rt: FixClient, other: FixClient, fix: InProcessFix
) -> None:
    arm(fix, "swallow", member="maker")
    arm(fix, "swallow", session="KalshiNR", msg_type="8", skip=1)
    arm(fix, "swallow", msg_type="9")

    assert numbers(rt, "a") == ["2"]
    assert other.ask("D", order("b", t44=10)) == [], "the maker's"
    other.strict = False
    assert len(other.ask("D", order("c", t44=10))) == 1, "let pass"
    assert other.ask("D", order("d", t44=10)) == [], "the second on NR"
    assert rt.ask("F", change("e", "nothing")) == [], "a reject"
    assert fix.paper.control("GET", "/fix")["faults_applied"] == 3
    assert fix.paper.control("GET", "/fix")["faults"] == []


def test_all_faults_can_be_disarmed(rt: FixClient, fix: InProcessFix) -> None:
    arm(fix, "swallow", count=1_000_000)
    fix.paper.control("POST", "/faults/clear", {})

    assert numbers(rt, "a") == ["2"]


def test_sessions_are_ended_by_hand(connect: Connect, fix: InProcessFix) -> None:
    client = connect()
    client.log_on()
    assert fix.paper.control("POST", "/fix/session", {"how": "logout", "member": "maker"}) == {"sessions": 0}

    assert fix.paper.control("POST", "/fix/session", {"how": "logout", "text": "good night"}) == {"sessions": 1}

    assert client.read()[0].part(35, 58) == {35: "5", 58: "good night"}
    assert client.pipe.closed


def test_a_connection_may_be_half_open(rt: FixClient, fix: InProcessFix) -> None:
    fix.paper.control("POST", "/fix/session", {"how": "silence"})
    assert numbers(rt, "a") == []
    fix.step(120_000)
    assert not rt.pipe.closed
    assert rt.read() == []

    fix.paper.control("POST", "/fix/session", {"how": "resume"})
    rt.send("1", [(112, "x")], seq=2)
    assert [msg[35] for msg in rt.read()] == ["0"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/fix/fault", {"kind": "nothing"}),
        ("/fix/fault", {"kind": "corrupt", "how": "nothing"}),
        ("/fix/fault", {"kind": "drop_copy", "how": "5"}),
        ("/fix/fault", {"kind": "swallow", "count": 0}),
        ("/fix/fault", {"kind": "swallow", "session": "Kalshi"}),
        ("/fix/fault", {"kind": "gap", "size": 0}),
        ("/fix/session", {"how": "nothing"}),
        ("/fix/resend", {"begin": -1}),
        ("/fix/rules", {"settlement_parties": 0}),
        ("/fix/rules", {"clock_window_ms": -1}),
        ("/fix/rules", {"nothing": 1}),
    ],
)
def test_a_call_that_cannot_be_meant(fix: InProcessFix, path: str, body: dict[str, Any]) -> None:
    assert fix.paper.control_response("POST", path, body).status == 400


def test_without_fix_there_is_nothing_to_control(fix: InProcessFix) -> None:
    fix.paper.server.fix = None

    assert fix.paper.control_response("GET", "/fix").status == 409


def test_the_log_has_both_directions(rt: FixClient, fix: InProcessFix) -> None:
    rt.ask("D", order("a"))

    rows = fix.paper.control("GET", "/fix/log")["messages"]

    assert [(row["direction"], row["msg_type"], row["seq"]) for row in rows[-2:]] == [("in", "D", 2), ("out", "8", 2)]
    assert rows[-1]["session"] == "KalshiRT"


def test_the_truth_about_reports(client: FixClient, fix: InProcessFix) -> None:
    client.ask("D", order("a"))
    client.ask("F", change("c", "a"))

    rows = fix.paper.control("GET", "/fix/reports")["trader-1"]

    assert [(row["client_order_id"], row["kind"]) for row in rows] == [("a", "new"), ("c", "canceled")]


def test_every_fault_is_tried() -> None:
    tried = {
        "lose", "swallow", "gap", "repeat", "poss_dup", "poss_resend", "reorder", "delay", "corrupt", "conflict",
        "old_seq", "cut_before", "cut_after", "ignore", "unread", "hold", "refuse_logon", "drop_copy", "miscount",
    }  # fmt: skip
    assert tried == set(get_args(FixFaultKind))
