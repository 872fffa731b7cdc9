"""Drop copy recovery (D8 to D15) and settlement fragments (D28)."""

import itertools
from decimal import Decimal

import pytest

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import decode, encode
from apps.fix.messages.common import ExecId
from apps.fix.messages.drop_copy import REASON_TEXT, Reason, Recovery, Result, request_fields
from apps.fix.messages.post_trade import Assembler, SettlementReport

HEADER = [(49, "Kalshi"), (56, "key"), (34, "2"), (52, "20230809-05:28:18.035")]
NOW = 1_754_550_000_000


def message(kind, *fields):
    return decode(encode([(35, kind), *HEADER, *fields]))


def complete(seq, count):
    return message("U2", (45, str(seq)), (21003, str(count)))


def reject(seq, reason):
    return message("U3", (45, str(seq)), (21004, reason))


def asked(begin="4;7", end=None):
    recovery = Recovery(ExecId.read(begin), ExecId.read(end) if end else None)
    assert recovery.next_request(NOW) is not None
    recovery.sent(2)
    return recovery


def test_the_documented_request():
    assert request_fields(ExecId(12345, 67890), ExecId(12350, 67895)) == [
        (21001, "12345;67890"),
        (21002, "12350;67895"),
    ]
    assert request_fields(ExecId(1, 1), None) == [(21001, "1;1")]


@pytest.mark.parametrize(("begin", "end"), [("-1;-1", None), ("4;7", "-1;-1"), ("4;10", "4;9"), ("10;1", "9;99")])
def test_a_range_names_two_reports_in_order(begin, end):
    with pytest.raises(WireFormatError):
        Recovery(ExecId.read(begin), ExecId.read(end) if end else None)


def test_d8_the_first_report_comes_again_and_counts_once():
    recovery = asked("4;9")
    told = [recovery.report(ExecId.read(raw)) for raw in ("4;9", "4;10", "10;1", "4;9")]
    recovery.answer(complete(2, 4), NOW)

    assert told == [True, True, True, False]
    assert (recovery.result, recovery.received, recovery.newest) == (Result.COMPLETE, 3, ExecId(10, 1))
    assert recovery.next_request(NOW) is None


def test_d6_reports_without_a_number_are_no_watermark():
    recovery = asked()
    assert not recovery.report(ExecId(-1, -1))
    assert recovery.newest is None


def test_d9_too_many_requests_waits_and_then_gives_way():
    recovery = asked()
    for seq, pause in ((2, 2_000), (3, 8_000)):
        recovery.answer(reject(seq, "1"), NOW)
        assert recovery.next_request(NOW + pause - 1) is None
        assert recovery.next_request(NOW + pause) is not None
        recovery.sent(seq + 1)
    recovery.answer(reject(4, "1"), NOW)

    assert recovery.result is Result.REFUSED
    assert recovery.text == REASON_TEXT[Reason.TOO_MANY]


def test_d9_the_general_rate_limit_is_the_same():
    recovery = asked()
    recovery.rate_limited(99, NOW)
    assert recovery.is_waiting
    recovery.rate_limited(2, NOW)

    assert (recovery.is_waiting, recovery.next_request(NOW)) == (False, None)
    assert recovery.next_request(NOW + 2_000) is not None


def test_d10_a_server_error_is_tried_three_times():
    recovery = asked()
    for seq in (2, 3, 4):
        recovery.answer(reject(seq, "2"), NOW)
        if seq < 4:
            assert recovery.next_request(NOW + 30_000) is not None
            recovery.sent(seq + 1)

    assert (recovery.result, recovery.attempts) == (Result.REFUSED, 3)


def test_d11_a_beginning_outside_the_window_is_a_hole():
    recovery = asked()
    recovery.answer(reject(2, "3"), NOW)

    assert recovery.result is Result.WINDOW_LOST


def test_d12_an_end_that_is_too_large_becomes_the_newest():
    recovery = asked("4;7", "99;1")
    recovery.answer(reject(2, "4"), NOW)

    assert recovery.next_request(NOW) == [(21001, "4;7")]
    recovery.sent(3)
    recovery.report(ExecId(4, 7))
    recovery.answer(complete(3, 1), NOW)
    assert recovery.result is Result.COMPLETE


@pytest.mark.parametrize("count", [0, 1, 3])
def test_d13_a_count_that_does_not_fit_is_asked_again_from_the_beginning(count):
    recovery = asked()
    for seq in (2, 3, 4):
        recovery.report(ExecId(4, 7))
        recovery.report(ExecId(4, 8))
        recovery.answer(complete(seq, count), NOW)
        if seq < 4:
            assert recovery.result is None
            assert recovery.next_request(NOW + 30_000) == [(21001, "4;7")]
            recovery.sent(seq + 1)

    assert (recovery.result, recovery.received) == (Result.INCOMPLETE, 2)


def test_d14_a_break_at_each_report_loses_and_doubles_nothing():
    reports = [ExecId(4, number) for number in range(7, 15)]
    for cut in range(len(reports) + 1):
        recovery = asked("4;7")
        applied = [one for one in reports[:cut] if recovery.report(one)]
        recovery.lost()
        fields = recovery.next_request(NOW)
        assert fields is not None
        begin = ExecId.read(dict(fields)[21001])
        recovery.sent(2)
        again = [one for one in reports if one >= begin]
        applied += [one for one in again if recovery.report(one)]
        recovery.answer(complete(2, len(again)), NOW)
        assert applied == reports
        assert recovery.result is Result.COMPLETE


def test_a_break_after_the_last_report_asks_for_a_range_that_is_one():
    recovery = asked("4;7", "4;8")
    recovery.report(ExecId(4, 8))
    recovery.lost()

    assert recovery.next_request(NOW) == [(21001, "4;8"), (21002, "4;8")]


def test_a_replay_that_was_not_in_order_begins_anew_after_a_break():
    recovery = asked("4;7")
    for number in (9, 8):
        recovery.report(ExecId(4, number))
    recovery.lost()

    assert recovery.next_request(NOW) == [(21001, "4;7")]


def test_answers_to_another_request_are_left():
    recovery = asked()
    recovery.answer(complete(1, 0), NOW)
    recovery.answer(reject(77, "3"), NOW)

    assert recovery.is_waiting
    assert recovery.result is None


def test_an_unknown_reason_is_tried_again_and_told():
    recovery = asked()
    recovery.answer(reject(2, "9"), NOW)

    assert recovery.next_request(NOW + 2_000) is not None
    assert "unknown reason 9" in recovery.text


# --- settlement -----------------------------------------------------------------------------------


def part(report_id, *, last, total=None, ticker="HIGHNY-23DEC31", price="30.60", fee="0.00"):
    return SettlementReport.read(
        message(
            "UMS",
            *[(20105, report_id), (55, ticker), (715, "20231231"), (20107, "scalar"), (730, price)],
            *([(20106, str(total))] if total else []),
            *([] if last is None else [(893, "Y" if last else "N")]),
            *[(20108, "1"), (20109, f"user-{report_id}"), (20110, "24"), (704, "100"), (1703, "1")],
            *[(1704, "30.60"), (1705, "PAYOUT"), (136, "1"), (137, fee), (138, "USD"), (139, "4"), (891, "0")],
        )
    )


def test_a_settlement_is_read_exactly():
    told = part("s", last=True, fee="0.006")

    assert (told.price, told.cleared_on, told.result) == (Decimal("0.306"), "2023-12-31", "scalar")
    assert told.parties[0].fee == Decimal("0.006")
    assert told.parties[0].changes == ((Decimal("30.60"), "PAYOUT"),)
    assert told.parties[0].long_count == 100


def test_one_report_without_fragments_is_whole():
    assert Assembler().add(part("s", last=None), NOW) is not None


@pytest.mark.parametrize("order", list(itertools.permutations(["a", "b", "c"])))
def test_d28_fragments_come_out_once_in_any_order_with_one_twice(order):
    assembler = Assembler()
    parts = {
        "a": part("a", last=False, total=3),
        "b": part("b", last=False, total=3),
        "c": part("c", last=True, total=3),
    }
    out = [assembler.add(parts[name], NOW) for name in [order[0], *order]]
    whole = [one for one in out if one is not None]

    assert len(whole) == 1
    assert {one.report_id for one in whole[0]} == {"a", "b", "c"}
    assert [assembler.add(parts[name], NOW) for name in order] == [None] * 3


def test_d28_a_lost_fragment_is_waited_for_and_then_read_elsewhere():
    assembler = Assembler()
    assembler.add(part("a", last=False, total=3), NOW)
    assert assembler.add(part("c", last=True, total=3), NOW) is None

    assert assembler.overdue(NOW + 59_999) == []
    assert assembler.overdue(NOW + 60_000) == ["HIGHNY-23DEC31"]


def test_settlements_of_two_markets_do_not_mix():
    assembler = Assembler()
    assert assembler.add(part("a", last=False, ticker="A"), NOW) is None
    assert assembler.add(part("b", last=True, ticker="B"), NOW) is not None
    assert assembler.add(part("c", last=True, ticker="A"), NOW) is not None
