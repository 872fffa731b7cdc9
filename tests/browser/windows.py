"""What has to happen within a window of the exchange, on a machine that may be too slow for one of them."""

from collections.abc import Callable, Sequence


def first_in_time(prices: Sequence[int], attempt: Callable[[int], None], *, is_missed: Callable[[int], bool]) -> int:
    """Return the first price at which the attempt was in time.

    is_missed: whether a failed attempt may be one that its window ended; only that is a reason for another.
    """
    for price in prices:
        try:
            attempt(price)
        except AssertionError:
            if price == prices[-1] or not is_missed(price):
                raise
        else:
            return price
    raise AssertionError("no price was given")
