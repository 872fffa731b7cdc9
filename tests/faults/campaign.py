"""Run histories, find the one that breaks a rule, and make it as short as it gets."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from tests.faults.checks import violations
from tests.faults.steps import History, Step, history_of
from tests.faults.world import World
from tests.orders.conftest import Place

Mutant = Callable[[], AbstractContextManager[object]]


@dataclass(slots=True)
class Result:
    """What became of one history."""

    history: History
    problems: list[str]
    faults: Counter[str]
    deaths: Counter[str]
    reached: Counter[str]
    healed_after_ms: int


@dataclass(slots=True)
class Tally:
    """Sums over many histories. failure: the first one that broke a rule."""

    histories: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    slowest_heal_ms: int = 0
    failure: Result | None = None

    def add(self, result: Result) -> None:
        self.histories += 1
        self.faults += result.faults
        self.deaths += result.deaths
        self.reached += result.reached
        self.slowest_heal_ms = max(self.slowest_heal_ms, result.healed_after_ms)
        if result.problems and self.failure is None:
            self.failure = result

    def merge(self, other: "Tally") -> None:
        self.histories += other.histories
        self.faults += other.faults
        self.deaths += other.deaths
        self.reached += other.reached
        self.slowest_heal_ms = max(self.slowest_heal_ms, other.slowest_heal_ms)
        self.failure = self.failure or other.failure


def run(history: History, place: Place, *, mutant: Mutant = nullcontext) -> Result:
    """Run one history to its end and judge it."""
    world = World(history, place)
    with world.running():
        with mutant():
            for step in history.steps:
                world.execute(step)
            world.heal()
        problems = violations(world)
    return Result(history, problems, world.exchange.applied, world.deaths, world.reached, world.healed_after_ms)


def search(seeds: Iterable[int], place: Place, *, mutant: Mutant = nullcontext, mood: str = "") -> Tally:
    """Run the histories of these seeds until one breaks a rule."""
    tally = Tally()
    for seed in seeds:
        tally.add(run(history_of(seed, mood=mood), place, mutant=mutant))
        if tally.failure is not None:
            break
    return tally


def shrink(history: History, place: Place, *, mutant: Mutant = nullcontext) -> Result:
    """Drop steps, and steps inside steps, as long as a rule still breaks. Returns the shortest one's result."""
    best = run(history, place, mutant=mutant)
    assert best.problems, "this history breaks no rule"
    size = max(1, len(history.steps) // 2)
    while size:
        position = 0
        while position < len(best.history.steps):
            steps = best.history.steps
            shorter = run(replace(history, steps=steps[:position] + steps[position + size :]), place, mutant=mutant)
            if shorter.problems:
                best = shorter
            else:
                position += size
        size //= 2
    for position, step in enumerate(best.history.steps):
        for inner in range(len(step.inner) - 1, -1, -1):
            current = best.history.steps[position]
            slimmer: Step = replace(current, inner=current.inner[:inner] + current.inner[inner + 1 :])
            steps = (*best.history.steps[:position], slimmer, *best.history.steps[position + 1 :])
            shorter = run(replace(history, steps=steps), place, mutant=mutant)
            if shorter.problems:
                best = shorter
    return best
