"""Clock offset from answers, delay of frames: what two unequal clocks can still tell."""

from hypothesis import given
from hypothesis import strategies as st

from apps.exchange.wire.clock import ClockOffset, server_time
from apps.exchange.wire.delay import LATE_AFTER, Delay


@given(
    offset=st.integers(-10_000_000, 10_000_000),
    trips=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(0, 5000)), min_size=1, max_size=20),
)
def test_the_true_offset_is_always_within_the_measured_bounds(offset: int, trips: list[tuple[int, int, int]]) -> None:
    clock, now = ClockOffset(), 1_786_000_000_000
    for there, back, pause in trips:
        now += pause
        answered = now + there + offset  # on the exchange's clock
        clock.note(sent_ms=now, received_ms=now + there + back, server_ms=answered // 1000 * 1000, resolution_ms=1000)
        assert clock.low_ms is not None
        assert clock.low_ms <= offset <= clock.high_ms
        now += there + back


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    clock = ClockOffset()
    clock.note(sent_ms=1000, received_ms=1010, server_ms=1005, resolution_ms=1)
    clock.note(sent_ms=2000, received_ms=2010, server_ms=62_005, resolution_ms=1)

    assert clock.ms == 60_000


def test_headers_that_name_no_time_are_ignored() -> None:
    assert server_time(None, None) is None
    assert server_time("yesterday", None) is None
    assert server_time("yesterday", "12x") is None
    assert server_time("Sat, 07 Aug 2026 11:46:20 GMT", None) == (1_786_103_180_000, 1000)
    assert server_time("Sat, 07 Aug 2026 11:46:20 GMT", "1786103180577") == (1_786_103_180_577, 1)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=50), st.integers(-(10**7), 10**7))
def test_noting_only_what_is_outside_the_bounds_equals_noting_everything(ages: list[int], skew: int) -> None:
    sparse, dense = Delay(), Delay()
    for age in (0, *ages):
        dense.note(age + skew)
        if not sparse.low < age + skew < sparse.high:
            sparse.note(age + skew)
        assert sparse.is_late == dense.is_late
        if age >= LATE_AFTER:
            assert dense.is_late
        if age < 1_000:
            assert not dense.is_late
