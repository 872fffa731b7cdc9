"""The one rule of the journeys that is not about a page: when they try once more."""

import pytest

from tests.browser.windows import first_in_time


@pytest.mark.parametrize(
    ("fails", "missed", "ends"),
    [(set(), set(), 1), ({1}, {1}, 2), ({1, 2}, {1, 2}, 3), ({1, 2, 3}, {1, 2, 3}, None), ({1}, set(), None)],
    ids=["at once", "the second", "the third", "none of them", "a fault that is no window's"],
)
def test_a_missed_window_and_nothing_else_is_tried_again(fails: set[int], missed: set[int], ends: int | None) -> None:
    tried = []

    def attempt(price: int) -> None:
        tried.append(price)
        assert price not in fails, price

    if ends is None:
        with pytest.raises(AssertionError, match=str(max(fails))):
            first_in_time(range(1, 4), attempt, is_missed=missed.__contains__)
    else:
        assert first_in_time(range(1, 4), attempt, is_missed=missed.__contains__) == ends
    assert tried == list(range(1, (ends or max(fails)) + 1))
