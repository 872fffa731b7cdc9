"""Histories: lists of plain steps drawn from a seed. Running one draws nothing more, so a seed replays exactly."""

import random
from dataclasses import dataclass, replace

from apps.core import killpoints
from tests.faults.exchange import READ_FAULTS, WRITE_FAULTS

PRICES = ("0.4000", "0.4500", "0.5000", "0.5500", "0.6000")
_DURING = ("work", "work", "deliver", "beat", "reconcile", "trade", "redeliver", "advance", "submit_again")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens. `pick` chooses among what is there when it runs, modulo its number."""

    kind: str
    pick: int = 0
    side: str = ""
    price: str = ""
    name: str = ""
    number: int = 0
    inner: tuple["Step", ...] = ()
    where: str = ""  # of an order: "group" or "subaccount" when it is in one

    def __str__(self) -> str:
        parts = [self.kind] + [str(part) for part in (self.side, self.price, self.name, self.where) if part]
        parts += [f"#{self.pick}"] if self.pick else []
        parts += [f"({self.number})"] if self.number else []
        if self.inner:
            parts.append("{" + "; ".join(map(str, self.inner)) + "}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class History:
    """lag_ms: how far the exchange's reads are behind. dedupes_open_only: ids of ended orders may be used again."""

    seed: int
    steps: tuple[Step, ...]
    lag_ms: int = 0
    dedupes_open_only: bool = False

    def __str__(self) -> str:
        head = (
            f"history of seed {self.seed}: lag {self.lag_ms} ms, dedupe {'open' if self.dedupes_open_only else 'all'}"
        )
        return "\n".join([head, *(f"  {number:>2}. {step}" for number, step in enumerate(self.steps, 1))])


MOODS: dict[str, dict[str, int]] = {"mixed": {}, "deaths": {"kill": 70}, "line": {"fault": 60}}


def history_of(seed: int, *, mood: str = "") -> History:
    """Draw the history of a seed: 9 to 24 happenings, about a third of them faults.

    mood: one of MOODS, drawn when empty.
    """
    rng = random.Random(seed)
    # Half go wrong in every way a little; some are about deaths, some about the line to the exchange.
    drawn = rng.choice(("mixed", "mixed", "deaths", "line"))
    weights = _WEIGHTS | MOODS[mood or drawn]
    steps: list[Step] = []
    submitted = 0
    for _ in range(rng.randint(9, 24)):
        kind = rng.choices(*zip(*weights.items(), strict=True))[0]
        if kind == "submit":
            submitted += 1
            steps.append(_submit(rng, submitted))
        elif kind == "batch":
            batch = replace(_submit(rng, submitted + 1), kind="batch", pick=rng.randrange(1_000))
            submitted += batch_size(batch)
            steps.append(batch)
        else:
            step = _step(rng, kind)
            way = _toward(rng, step.name) if kind == "kill" else []
            if way:  # it needs an order that rests
                submitted += 1
                order = replace(_submit(rng, submitted), side="buy_yes", price="0.4500", where="")
                steps += [replace(order, name="good_till_canceled"), *[Step("work")] * 3]
            steps += [step, *way]
        if kind in _NEEDS_WORK and rng.random() < 0.6:
            steps.append(_step(rng, "work"))
    return History(
        seed=seed,
        steps=tuple(steps),
        lag_ms=rng.choice((0, 0, 1_500, 5_000, 12_000)),
        dedupes_open_only=rng.random() < 0.5,
    )


_WEIGHTS = {
    "submit": 22,
    "submit_again": 8,
    "work": 30,
    "fault": 26,
    "during": 10,
    "kill": 24,
    "deliver": 7,
    "beat": 6,
    "reconcile": 4,
    "advance": 7,
    "trade": 9,
    "cancel": 12,
    "cancel_all": 2,
    "change": 14,
    "redeliver": 5,
    "lose_message": 3,
    "flush_queue": 1,
    "broker": 2,
    "drop_event": 3,
    "reconnect": 2,
    "external": 3,
    "role": 2,
    "restart": 2,
    "trading": 1,
    "batch": 5,
    "group": 9,
    "pause": 1,
    "limit": 1,
    "elsewhere": 4,
    "no_database": 3,
}
_NEEDS_WORK = ("submit", "batch", "group", "fault", "kill", "during", "change", "cancel", "no_database")


def batch_size(step: Step) -> int:
    """Lines of a batch step: two to four."""
    return 2 + step.pick % 3


def _toward(rng: random.Random, place: str) -> list[Step]:
    """Steps that lead to a place to die at that chance alone seldom reaches."""
    way, _, where = place.partition(".")
    match way:
        case "amend" | "decrease" | "change":
            lost = [Step("fault", name="lose_after")] if where.startswith("look") else []
            change = Step(
                "change",
                pick=rng.randrange(1_000),
                name="decrease" if way == "decrease" else "amend",
                price=rng.choice(PRICES),
            )
            return [*lost, change, *[Step("work")] * 4]
        case "cancel":
            return [Step("cancel", pick=rng.randrange(1_000)), *[Step("work")] * 4]
        case "fills":
            return [Step("trade", side="ask", price="0.4000", number=25), *[Step("deliver")] * 4, Step("reconcile")]
    return []


def _submit(rng: random.Random, number: int) -> Step:
    terms = rng.choices(("good_till_canceled", "immediate_or_cancel", "fill_or_kill"), (8, 1, 1))[0]
    where = rng.choices(("", "group", "subaccount"), (6, 3, 1))[0]
    side, price = rng.choice(("buy_yes", "buy_no")), rng.choice(PRICES)
    return Step("submit", pick=rng.randrange(4), number=number, side=side, price=price, name=terms, where=where)


def _step(rng: random.Random, kind: str) -> Step:
    pick = rng.randrange(1_000)
    more = _more(rng, kind, pick)
    if more is not None:
        return more
    match kind:
        case "fault":
            name = rng.choice(WRITE_FAULTS) if rng.random() < 0.8 else rng.choice(READ_FAULTS)
            return Step("fault", name=name, number=_number(rng, name))
        case "kill":
            # Around the send is where a death can do harm.
            points = [
                name for name in killpoints.POINTS for _ in range(2 if name.startswith(("send", "submit")) else 1)
            ]
            return Step("kill", name=rng.choice(points), number=rng.choices((1, 2, 3), (6, 2, 1))[0])
        case "advance":
            return Step("advance", number=rng.choice((50, 1_000, 3_000, 10_000, 20_000, 40_000, 3_600_000)))
        case "change":
            return Step("change", pick=pick, name=rng.choice(("amend", "amend", "decrease")), price=rng.choice(PRICES))
        case "trade" | "external":
            return Step(kind, side=rng.choice(("bid", "ask")), price=rng.choice(PRICES), number=rng.randint(1, 25))
        case "during":
            inner = tuple(_step(rng, rng.choice(_DURING)) for _ in range(rng.randint(1, 3)))
            return Step("during", name=rng.choice(("before", "after")), inner=inner)
        case "deliver":
            return Step("deliver", pick=pick, number=rng.choices((1, 2), (4, 1))[0])
        case "work" if rng.random() < 0.15:
            return Step("work", pick=pick, name="twice")
    return Step(kind, pick=pick)


def _more(rng: random.Random, kind: str, pick: int) -> Step | None:
    """Draw a step of `more_steps`; None for another kind."""
    match kind:
        case "group":
            name = rng.choice(("create", "create", "trigger", "reset", "limit", "delete"))
            return Step("group", pick=pick, name=name, number=rng.randint(5, 60))
        case "limit":
            return Step("limit", number=rng.choice((0, 0, 12, 20)))
        case "elsewhere":
            name = rng.choice(("amend", "decrease", "cancel"))
            return Step("elsewhere", pick=pick, name=name, price=rng.choice(PRICES))
        case "no_database":
            return Step("no_database", number=rng.choice((1, 1, 2)))
    return None


def _number(rng: random.Random, name: str) -> int:
    match name:
        case "status_before" | "status_after":
            return rng.choice((500, 502, 503, 504))
        case "late":
            return rng.choice((500, 3_000, 12_000, 25_000, 45_000, 90_000))
        case "slow":
            return rng.choice((900, 4_000, 9_000))
    return rng.randrange(400)
