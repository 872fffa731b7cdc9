"""Order groups: UOG and UOH. Source: docs:fix/order-groups."""

from dataclasses import dataclass
from typing import Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Fields, Message
from apps.fix.messages.common import account_fields, body, integer_or_none

LARGEST_LIMIT: Final = 1_000_000
_ACTIONS: Final = {"create": "1", "reset": "2", "delete": "3", "trigger": "4", "update": "5"}


def group_fields(action: str, *, group_id: str = "", limit: int | None = None, subaccount: int = 0) -> Fields:
    """Return the body of an OrderGroupRequest.

    Args:
        action: create, reset, delete, trigger or update.
        limit: contracts, for create and update.

    Raises:
        WireFormatError: an action with too much or too little; the exchange makes the id of a new group.
    """
    if action not in _ACTIONS:
        raise WireFormatError(f"no action on order groups: {action!r}")
    if (action == "create") == bool(group_id):
        raise WireFormatError("every action but create names its group")
    if (action in ("create", "update")) != (limit is not None):
        raise WireFormatError("a limit goes with create and update, and only with them")
    if limit is not None and not 1 <= limit <= LARGEST_LIMIT:
        raise WireFormatError(f"a limit is 1 to {LARGEST_LIMIT:,} contracts, was {limit}")
    return [
        (20131, _ACTIONS[action]),
        *([(20130, group_id)] if group_id else []),
        *([(20132, str(limit))] if limit is not None else []),
        *account_fields(subaccount),
    ]


@dataclass(frozen=True, slots=True)
class GroupResponse:
    """OrderGroupResponse (UOH). limit: only after create and update."""

    group_id: str
    limit: int | None
    subaccount: int

    @classmethod
    def read(cls, message: Message) -> "GroupResponse":
        entry = body(message, "UOH")
        return cls(entry.text(20130), integer_or_none(entry, 20132), integer_or_none(entry, 79) or 0)
