"""What can be told of: each kind of event, how grave it is, and whose roles may know of it. Pure data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from apps.core.permissions import Actor, Permission

Level = Literal["info", "warning", "danger"]


@dataclass(frozen=True, slots=True)
class Kind:
    """label: finishes the sentence "When ...". level: danger passes quiet hours where the person wants that.

    any_of: who has one of these may be told.
    """

    name: str
    group: str
    label: str
    level: Level = "info"
    any_of: frozenset[Permission] = frozenset({Permission.DESK_VIEW})
    narrows: str = ""  # which filters mean something: of market, person, amount

    @property
    def has_amount(self) -> bool:
        return "amount" in self.narrows

    @property
    def has_market(self) -> bool:
        return "market" in self.narrows

    @property
    def has_person(self) -> bool:
        return "person" in self.narrows

    def may_know(self, actor: Actor) -> bool:
        return actor.may(Permission.DESK_VIEW) and any(actor.may(one) for one in self.any_of)


_KEYS = frozenset({Permission.VAULT_VIEW, Permission.ORDER_PLACE, Permission.RFQ_TRADE, Permission.LIMIT_MANAGE})
_APPROVERS = frozenset({Permission.CHANGE_APPROVE, Permission.RFQ_MANAGE})
_TRADED, _VALUED = "market person", "market person amount"

_ALL = (
    Kind("fill", "Trading", "an order fills", narrows=_VALUED),
    Kind("order.refused", "Trading", "the exchange or the desk refuses an order", "warning", narrows=_VALUED),
    Kind("order.unknown", "Trading", "an order was sent and has no outcome", "danger", narrows=_VALUED),
    Kind("gate.closed", "Trading", "orders are held back because answers named none", "danger"),
    Kind("settled", "Trading", "a market with a position settles", narrows="market amount"),
    Kind("rfq.incoming", "RFQ desk", "somebody else asks for quotes", narrows="market amount"),
    Kind("rfq.quoted", "RFQ desk", "a quote comes in on a request of ours", narrows=_TRADED),
    Kind("accept.ended", "RFQ desk", "a quote that we accepted executes", narrows=_TRADED),
    Kind("accept.lapsed", "RFQ desk", "a quote that we accepted lapses or fails", "warning", narrows=_TRADED),
    Kind("confirm.open", "RFQ desk", "a quote of ours is accepted and waits for a person", "danger", narrows=_TRADED),
    Kind("confirm.missed", "RFQ desk", "a confirm window is missed", "danger", narrows=_TRADED),
    Kind("rule.tripped", "RFQ desk", "a quoting rule is disarmed by its breaker", "warning"),
    Kind("mention", "RFQ desk", "somebody mentions you in a comment"),
    Kind("limit.near", "Limits and control", "somebody uses three quarters of a limit", "warning", narrows="person"),
    Kind("limit.full", "Limits and control", "somebody uses all of a limit", "danger", narrows="person"),
    Kind("limit.changed", "Limits and control", "a limit is changed"),
    Kind("approval.asked", "Limits and control", "a change or a request waits for approval", "warning", _APPROVERS),
    Kind("kill.pulled", "Limits and control", "the kill switch is pulled", "danger"),
    Kind("pause.set", "Limits and control", "trading is paused for everybody", "warning"),
    Kind("key.refused", "Health", "the exchange refuses a key, or a key does not open", "danger", _KEYS),
    Kind("break", "Health", "two sources differ for over a minute", "warning", narrows="market"),
    Kind("feed", "Health", "a feed is stale or down", "danger"),
    Kind("exchange", "Health", "the exchange pauses, or cannot be asked", "warning"),
    Kind("announcement", "Health", "the exchange announces a warning, or maintenance within the hour", "warning"),
    Kind("fix", "Health", "a FIX session is down", "warning"),
    Kind("health", "Health", "another part of the desk is not well", "warning"),
    Kind("test", "Test", "somebody presses the test button"),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
CHOSEN = tuple(kind for kind in _ALL if kind.name != "test")  # what a rule may name


def groups() -> Iterator[tuple[str, list[Kind]]]:
    """The kinds as the editor lists them."""
    names = dict.fromkeys(kind.group for kind in CHOSEN)
    for name in names:
        yield name, [kind for kind in CHOSEN if kind.group == name]


def known(name: str) -> Kind:
    """Return the kind of a stored row; one that a newer desk knew is shown as it is called, to those who may view."""
    return KINDS.get(name) or Kind(name, "Other", name)
