"""What a process of the set has loaded is not walked through again; what is garbage later on is found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from kalshi_desk.supervisor import collector


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Thing:
    """Something that can refer to itself."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The collector of this process as it was, whatever the test does to it."""
    thresholds, callbacks, frozen = gc.get_threshold(), gc.callbacks[:], gc.get_freeze_count()
    clock = Clock()
    monkeypatch.setattr(collector, "time", clock)
    yield clock
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)
    if not frozen:
        gc.unfreeze()


def is_walked_through(thing: object) -> bool:
    return any(one is thing for one in gc.get_objects())


def test_what_survives_a_full_look_is_set_aside_until_all_is_loaded(clock: Clock) -> None:
    collector.settle()
    loaded, also = Thing(), Thing()
    loaded.other, also.other = also, loaded  # type: ignore[attr-defined]
    assert is_walked_through(loaded)

    gc.collect(1)
    assert is_walked_through(loaded)  # not a full look

    gc.collect()
    assert not is_walked_through(loaded)

    clock.now = collector.SETTLED_AFTER
    later = Thing()
    gc.collect()
    assert not is_walked_through(later)
    assert gc.get_threshold() == (collector.YOUNG, 10, 10)

    last = Thing()
    gc.collect()
    assert is_walked_through(last)  # from now on Python's own way


def test_garbage_is_found_all_the_same(clock: Clock) -> None:
    collector.settle()
    gc.collect()
    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]
    seen = weakref.ref(thing)
    del thing

    gc.collect()

    assert seen() is None
