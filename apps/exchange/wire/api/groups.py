"""Order groups: a limit of matched contracts in a rolling 15 s for the orders that name it.

Source: docs:getting_started/order_groups and the OpenAPI. Left out, `subaccount` means all in the listing; the limit
call has no such parameter.
"""

from collections.abc import Sequence

from apps.exchange.wire.api.calls import many, one, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.base import Wire

_PATH = "/portfolio/order_groups"


class CreatedGroup(Wire):
    order_group_id: str
    subaccount: int = 0


class GroupRecord(Wire):
    """A group as the listing shows it; whether it is triggered is only told by its events."""

    id: str
    is_auto_cancel_enabled: bool = False
    contracts_limit_fp: str | None = None


def create_group(client: ExchangeClient, *, limit: str, subaccount: int) -> CreatedGroup:
    """limit: contracts, "150.00". Raises NotExecuted, OutcomeUnknown: a repeat would make a second group."""
    body = client.post(f"{_PATH}/create", json={"subaccount": subaccount, "contracts_limit_fp": limit})
    return one(CreatedGroup, body, is_read=False)


def get_groups(client: ExchangeClient, *, subaccount: int | None = None) -> Sequence[GroupRecord]:
    """Return the groups of one subaccount, or of all: a record does not say whose it is."""
    body = client.get(_PATH, params=None if subaccount is None else {"subaccount": subaccount})
    return many(GroupRecord, {"order_groups": None} | body, key="order_groups")


def limit_group(client: ExchangeClient, group_id: str, *, limit: str) -> None:
    """A limit below the present use triggers the group at once."""
    client.put(f"{_PATH}/{segment(group_id)}/limit", json={"contracts_limit_fp": limit})


def reset_group(client: ExchangeClient, group_id: str, *, subaccount: int) -> None:
    client.put(f"{_PATH}/{segment(group_id)}/reset", params={"subaccount": subaccount}, json={})


def trigger_group(client: ExchangeClient, group_id: str, *, subaccount: int) -> None:
    """Cancel all its orders and take no more: the safe direction, paid from the reserve for cancels."""
    client.put(f"{_PATH}/{segment(group_id)}/trigger", params={"subaccount": subaccount}, json={}, kind="cancel")


def delete_group(client: ExchangeClient, group_id: str, *, subaccount: int) -> None:
    """Cancel all its orders and remove it."""
    client.delete(f"{_PATH}/{segment(group_id)}", params={"subaccount": subaccount}, cost=10)
