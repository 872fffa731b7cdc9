"""What each process of `python -m tests.faults` does."""

from collections.abc import Iterable

from tests.faults import place
from tests.faults.campaign import Tally, search, shrink
from tests.orders.conftest import Place

_place: Place | None = None


def settle() -> None:
    """Set up this process's desk."""
    global _place
    _place = place.build()


def search_and_shrink(seeds: Iterable[int]) -> Tally:
    """Run the histories of these seeds; a failure comes back as short as it gets."""
    assert _place is not None
    tally = search(seeds, _place)
    if tally.failure is not None:
        tally.failure = shrink(tally.failure.history, _place)
    return tally
