import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apps.core.book import BookCorrupt, OrderBook, SequenceGap, SequenceTracker, levels_from_wire
from apps.core.errors import WireFormatError

SIDES = st.sampled_from(["yes", "no"])
# Few prices, so that levels meet; with the two impossible ends.
BOOK_PRICES = st.sampled_from([0, 1, 100, 4_200, 5_800, 9_999, 10_000])
LEVELS = st.lists(st.tuples(BOOK_PRICES, st.integers(-1, 500)), max_size=4)


class BookMachine(RuleBasedStateMachine):
    """The book against a list of single contracts: nothing else can say "one less" wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.book = OrderBook("T")
        self.model: dict[str, list[int]] = {"yes": [], "no": []}

    @rule(side=SIDES, price=BOOK_PRICES, delta=st.integers(-300, 300))
    def delta(self, side, price, delta):
        resting = self.model[side].count(price)
        if price in (0, 10_000) or resting + delta < 0:
            with pytest.raises(BookCorrupt):
                self.book.apply_delta(side, price, delta)
            return
        assert self.book.apply_delta(side, price, delta) == resting + delta
        if delta >= 0:
            self.model[side] += [price] * delta
        for _ in range(-delta):
            self.model[side].remove(price)

    @rule(yes=LEVELS, no=LEVELS)
    def snapshot(self, yes, no):
        if any(
            len({price for price, _ in side}) < len(side)
            or any(count < 0 or price in (0, 10_000) for price, count in side)
            for side in (yes, no)
        ):
            with pytest.raises(BookCorrupt):
                self.book.apply_snapshot(yes, no)
            return
        self.book.apply_snapshot(yes, no)
        self.model = {
            name: [price for price, count in side for _ in range(count)] for name, side in (("yes", yes), ("no", no))
        }

    @invariant()
    def equals_the_model(self):
        for side in ("yes", "no"):
            units = self.model[side]
            assert self.book.levels(side) == sorted((price, units.count(price)) for price in set(units))
        yes, no = self.model["yes"], self.model["no"]
        assert self.book.best_yes_bid == max(yes, default=None)
        assert self.book.best_no_bid == max(no, default=None)
        assert self.book.best_yes_ask == (10_000 - max(no) if no else None)
        assert self.book.is_crossed == any(y + n >= 10_000 for y in set(yes) for n in set(no))
        assert self.book.is_empty == (not yes and not no)


TestBookMachine = BookMachine.TestCase


def test_an_unknown_side_is_refused():
    with pytest.raises(BookCorrupt, match="side"):
        OrderBook("T").apply_delta("bid", 5_000, 100)


def test_a_book_is_read_from_the_wire_and_written_back_ascending():
    book = OrderBook("T")

    book.apply_snapshot(levels_from_wire([["0.42", "13"], ["0.0100", "275.00"], ["0.5", "0"]]), levels_from_wire(None))

    assert book.wire_levels("yes") == [["0.0100", "275.00"], ["0.4200", "13.00"]]
    assert book.wire_levels("no") == []


@pytest.mark.parametrize("level", [["1.5", "1"], ["0.5", "-1"], ["0.5", "NaN"]])
def test_a_malformed_level_is_refused(level):
    with pytest.raises(WireFormatError):
        levels_from_wire([level])


def test_frames_in_order_are_accepted_and_duplicates_dropped():
    tracker = SequenceTracker()

    assert [tracker.accept(1, seq) for seq in (7, 8, 8, 7, 9)] == [True, True, False, False, True]
    assert tracker.accept(2, 1)


def test_a_missing_frame_is_a_gap_until_rebased():
    tracker = SequenceTracker()
    tracker.accept(1, 7)

    for _ in range(2):
        with pytest.raises(SequenceGap) as caught:
            tracker.accept(1, 9)
        assert (caught.value.sid, caught.value.expected, caught.value.received) == (1, 8, 9)
    tracker.rebase(1, 9)

    assert not tracker.accept(1, 9)
    assert tracker.accept(1, 10)


def test_a_subscription_or_a_connection_that_ended_counts_anew():
    tracker = SequenceTracker()
    tracker.accept(1, 7)
    tracker.accept(2, 50)

    tracker.forget(1)
    tracker.forget(99)
    assert tracker.accept(1, 1)
    assert not tracker.accept(2, 1)

    tracker.clear()
    assert tracker.accept(2, 1)
