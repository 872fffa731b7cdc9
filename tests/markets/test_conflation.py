from hypothesis import given
from hypothesis import strategies as st

from apps.markets.conflation import Conflator


def test_the_first_change_goes_out_at_once():
    pace = Conflator(0.025)

    pace.mark("a")

    assert pace.next_at(10.0) == 10.0
    assert pace.take(10.0) == ["a"]


def test_changes_within_the_interval_go_out_together_at_its_end():
    pace = Conflator(0.025)
    pace.mark("a")
    pace.take(10.0)

    pace.mark("a")
    pace.mark("a")

    assert pace.take(10.01) == []
    assert pace.next_at(10.01) == 10.025
    assert pace.take(10.025) == ["a"]
    assert pace.next_at(10.025) is None


def test_a_busy_topic_does_not_delay_a_quiet_one():
    pace = Conflator(0.025)
    pace.mark("busy")
    pace.take(10.0)
    pace.mark("busy")

    pace.mark("quiet")

    assert pace.take(10.001) == ["quiet"]


def test_what_could_not_be_published_is_due_again():
    pace = Conflator(0.025)
    pace.mark("a")
    pace.failed(pace.take(10.0))

    assert pace.take(10.025) == ["a"]


def test_a_topic_that_nobody_wants_is_forgotten():
    pace = Conflator(0.025)
    pace.mark("a")

    pace.forget("a")

    assert pace.take(10.0) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.booleans(), st.booleans()), min_size=1, max_size=200
    )
)
def test_the_last_state_of_every_topic_is_always_published(steps):
    pace = Conflator(0.025)
    now, state, shown, taken_at = 0.0, dict.fromkeys("abc", 0), dict.fromkeys("abc", 0), {}

    def flush(*, is_lost):
        due = pace.take(now)
        for topic in due:
            assert now >= taken_at.get(topic, -1.0) + 0.025  # never more often than the interval
            taken_at[topic] = now
        if is_lost:
            pace.failed(due)
        else:
            shown.update({topic: state[topic] for topic in due})

    for topic, wait_ms, is_change, is_lost in steps:
        now += wait_ms / 1000
        if is_change:
            state[topic] += 1
            pace.mark(topic)
        flush(is_lost=is_lost)
    while (moment := pace.next_at(now)) is not None:
        now = moment
        flush(is_lost=False)

    assert shown == state
