"""Random histories of commands and faults; exchange truth against the ledger. `make faults` runs thousands."""

import pytest

from tests.faults import mutants
from tests.faults.campaign import Mutant, run, search, shrink
from tests.faults.steps import History, Step, history_of
from tests.orders.conftest import Place

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.xdist_group("faults")]

HISTORIES = 60
# Two of them need a death at the right moment; the others show within a few histories.
CAUGHT_WITHIN = 400
NEEDS_DEATH = (mutants.send_before_commit, mutants.restart_sends_again)


def test_no_history_breaks_a_rule(place: Place) -> None:
    tally = search(range(10_000, 10_000 + HISTORIES), place)

    assert tally.failure is None, f"{tally.failure.history}\n{tally.failure.problems}"
    assert tally.histories == HISTORIES
    assert sum(tally.faults.values()) > HISTORIES
    assert sum(tally.deaths.values()) > HISTORIES / 6


@pytest.mark.long
@pytest.mark.parametrize("mutant", mutants.ALL, ids=lambda mutant: mutant.__name__)
def test_a_wrong_protocol_is_caught(place: Place, mutant: Mutant) -> None:
    mood = "deaths" if mutant in NEEDS_DEATH else ""

    tally = search(range(CAUGHT_WITHIN), place, mutant=mutant, mood=mood)

    assert tally.failure is not None, f"{CAUGHT_WITHIN} histories did not notice"
    assert any(problem[:2] in ("I1", "I2", "I4", "I5", "I6") for problem in tally.failure.problems)


def test_a_seed_replays_exactly(place: Place) -> None:
    first = [run(history_of(seed), place, mutant=mutants.time_out_means_rejected) for seed in range(12)]
    second = [run(history_of(seed), place, mutant=mutants.time_out_means_rejected) for seed in range(12)]

    assert any(result.problems for result in first)
    assert [(r.problems, r.faults, r.deaths, r.reached, r.healed_after_ms) for r in first] == [
        (r.problems, r.faults, r.deaths, r.reached, r.healed_after_ms) for r in second
    ]


def test_a_failure_is_made_short(place: Place) -> None:
    failure = search(range(CAUGHT_WITHIN), place, mutant=mutants.time_out_means_rejected).failure
    assert failure is not None

    short = shrink(failure.history, place, mutant=mutants.time_out_means_rejected)

    assert short.problems
    # A click, a fault and the work that runs into it.
    assert len(short.history.steps) <= 4 < len(failure.history.steps)


def test_a_cancel_after_an_unseen_decrease_invents_no_fill(place: Place) -> None:
    """Found by seed 10046: fewer contracts taken off than we thought were resting do not prove that any filled."""
    steps = (
        Step("submit", number=1, side="buy_no", price="0.4000", name="good_till_canceled"),
        Step("work"),
        Step("change", name="decrease", price="0.4500"),
        Step("work"),
        Step("cancel"),
        Step("work"),
    )

    result = run(History(seed=1, steps=steps, lag_ms=12_000), place)

    assert result.problems == []


def test_an_amend_that_fills_at_once_keeps_its_new_price(place: Place) -> None:
    """Found by seed 20078: the fill's message came before the amend's answer and told no terms."""
    trade = (Step("trade", side="ask", price="0.5500", number=16), Step("deliver", pick=505, number=1))
    steps = (
        Step("submit", number=1, side="buy_yes", price="0.6000", name="good_till_canceled"),
        Step("work"),
        Step("drop_event"),
        Step("during", name="after", inner=trade),
        Step("change", name="amend", price="0.5500", pick=710),
        Step("work"),
    )

    result = run(History(seed=2, steps=steps, lag_ms=12_000), place)

    assert result.problems == []
