"""What members do with order groups. Each request is one whole action."""

from apps.paper.engine.errors import ExchangeError, invalid_parameters, not_found
from apps.paper.engine.events import OrderGroupChanged
from apps.paper.engine.groups import MAX_LIMIT, GroupStep, OrderGroup
from apps.paper.engine.matching import Matching
from apps.paper.engine.units import CONTRACT


class Grouping(Matching):
    """Create, limit, trigger, reset, delete. Reads need no pause check, changes are refused in an exchange pause."""

    def create_group(self, user_id: str, *, limit: int, subaccount: int = 0) -> OrderGroup:
        """Make a group; `limit` in count units.

        Raises:
            ExchangeError: 400, a limit outside 1 to 1,000,000 contracts, or no such subaccount.
        """
        self.check_exchange()
        self.account(user_id, subaccount)
        _check_limit(limit)
        now = self.clock.now_ms()
        group = OrderGroup(
            group_id=self.ids.uuid(),
            user_id=user_id,
            subaccount=subaccount,
            limit=limit,
            created_ms=now,
            updated_ms=now,
        )
        self.order_groups[group.group_id] = group
        self._tell(group, "created")
        return group

    def group(self, user_id: str, group_id: str, *, subaccount: int | None = None) -> OrderGroup:
        """One group of this member (of this subaccount, when one is named).

        Raises:
            ExchangeError: 404.
        """
        group = self.order_groups.get(group_id)
        if group is None or group.user_id != user_id or subaccount not in (None, group.subaccount):
            raise not_found("order group")
        return group

    def groups(self, user_id: str, *, subaccount: int | None = None) -> list[OrderGroup]:
        """All groups of this member, oldest first."""
        return [
            group
            for group in self.order_groups.values()
            if group.user_id == user_id and subaccount in (None, group.subaccount)
        ]

    def limit_group(self, user_id: str, group_id: str, *, limit: int) -> OrderGroup:
        """Set another limit (count units); one that the window already fills triggers the group.

        Raises:
            ExchangeError: 404; 400, a limit outside 1 to 1,000,000 contracts.
        """
        self.check_exchange()
        group = self.group(user_id, group_id)
        _check_limit(limit)
        group.limit = limit
        group.updated_ms = self.clock.now_ms()
        self.tell(OrderGroupChanged(group, "limit_updated", group.updated_ms))
        if not group.triggered and self.is_over(group):
            self.trigger(group)
        self.flush()
        return group

    def trigger_group(self, user_id: str, group_id: str, *, subaccount: int = 0) -> OrderGroup:
        """Cancel the group's orders and take no new ones until it is reset. Again is not an error.

        Raises:
            ExchangeError: 404.
        """
        self.check_exchange()
        group = self.group(user_id, group_id, subaccount=subaccount)
        if not group.triggered:
            self.trigger(group)
        self.flush()
        return group

    def reset_group(self, user_id: str, group_id: str, *, subaccount: int = 0) -> OrderGroup:
        """Empty the window and take orders again.

        Raises:
            ExchangeError: 404.
        """
        self.check_exchange()
        group = self.group(user_id, group_id, subaccount=subaccount)
        group.triggered = False
        group.matched.clear()
        self._tell(group, "reset")
        return group

    def delete_group(self, user_id: str, group_id: str, *, subaccount: int = 0) -> None:
        """Remove the group and cancel its orders.

        Raises:
            ExchangeError: 404.
        """
        self.check_exchange()
        group = self.group(user_id, group_id, subaccount=subaccount)
        self.cancel_grouped(group)
        del self.order_groups[group_id]
        self._tell(group, "deleted")

    def usable_group(self, user_id: str, group_id: str, *, subaccount: int) -> OrderGroup:
        """The group a new order may join.

        Raises:
            ExchangeError: 400, no such group of this subaccount, or a triggered one.
        """
        group = self.order_groups.get(group_id)
        if group is None or group.user_id != user_id or group.subaccount != subaccount:
            raise ExchangeError("order_group_not_found", f"order group {group_id} not found", 400)
        if group.triggered:
            raise ExchangeError(
                "invalid_order",
                "the order group has been triggered; reset it first",
                400,
                details="EXCEEDED_ORDER_GROUP_RISK_LIMIT",
            )
        return group

    def _tell(self, group: OrderGroup, step: GroupStep) -> None:
        group.updated_ms = self.clock.now_ms()
        self.tell(OrderGroupChanged(group, step, group.updated_ms))
        self.flush()


def _check_limit(limit: int) -> None:
    if not CONTRACT <= limit <= MAX_LIMIT * CONTRACT:
        raise invalid_parameters(f"contracts_limit must be 1 to {MAX_LIMIT} contracts")
