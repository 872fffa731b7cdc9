"""The clock by hand."""

import pytest

from apps.paper.clock import ManualClock


def test_it_stands_still_until_it_is_stepped() -> None:
    real = [0]
    clock = ManualClock(1_000, source_ns=lambda: real[0])

    real[0] = 5_000_000_000

    assert clock.now_ms() == 1_000
    assert clock.step(250) == 1_250


def test_it_runs_at_a_multiple_of_real_time_and_keeps_its_time_when_the_speed_changes() -> None:
    real = [0]
    clock = ManualClock(1_000, source_ns=lambda: real[0])

    clock.set_speed(10)
    real[0] += 100_000_000
    fast = clock.now_ms()
    clock.set_speed(0)
    real[0] += 100_000_000

    assert (fast, clock.now_ms()) == (2_000, 2_000)


def test_it_does_not_go_back() -> None:
    clock = ManualClock(1_000)

    with pytest.raises(ValueError, match="cannot step back"):
        clock.step(-1)
    with pytest.raises(ValueError, match="negative"):
        clock.set_speed(-1)
