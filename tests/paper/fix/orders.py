"""Bodies of order requests, and what comes of them."""

from typing import Any

from apps.paper.testing import LINEAR
from tests.paper.fix.client import Msg

Pairs = list[tuple[int, Any]]
STEPS = (150, 39, 14, 151, 38)  # what happened, where it stands, filled, left, in all


def order(name: str, **over: Any) -> Pairs:
    """A D: buy 10 at 30 cents, good till cancelled; over: t44=31 replaces tag 44, None leaves it out."""
    fields: dict[int, Any] = {11: name, 38: 10, 40: 2, 44: 30, 54: 1, 55: LINEAR, 59: 1}
    fields |= {int(tag[1:]): value for tag, value in over.items()}
    return [(tag, value) for tag, value in fields.items() if value is not None]


def change(name: str, of: str, **over: Any) -> Pairs:
    """An F, or a G when there is a t38."""
    fields: dict[int, Any] = {11: name, 41: of, 54: 1, 55: LINEAR}
    if "t38" in over:
        fields[40] = 2
    fields |= {int(tag[1:]): value for tag, value in over.items()}
    return [(tag, value) for tag, value in fields.items() if value is not None]


def steps(messages: list[Msg]) -> list[tuple[str | None, ...]]:
    return [tuple(msg.get(tag) for tag in STEPS) for msg in messages]
