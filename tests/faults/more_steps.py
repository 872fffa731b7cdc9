"""Steps of a history beside single orders: batches, order groups, pauses, limits, a database that is away."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.db import OperationalError

from apps.core.permissions import Actor
from apps.orders import spill
from apps.orders.models import GroupAction, OrderGroup, RiskLimit, TradingPause
from apps.orders.services import batch_submit, group_ask, group_create, limit_set, pause_release, pause_set, send
from apps.orders.services.limits import DEFAULTS
from apps.orders.services.pauses import pauses_in_force
from apps.orders.tickets import OrderTicket
from tests.faults.exchange import MEMBER, FaultyExchange
from tests.faults.steps import Step, batch_size
from tests.orders.conftest import Place

Kind = GroupAction.Kind


class MoreSteps:
    """Mixed into World, which has the rest of it."""

    place: Place
    exchange: FaultyExchange
    tickets: dict[int, tuple[int, OrderTicket]]
    lead: Actor
    _person: Callable[[int], Actor]
    _ticket: Callable[[Step, int], OrderTicket]

    _writes_that_fail = 0

    # --- several orders at once --------------------------------------------------------------------
    def _do_batch(self, step: Step) -> None:
        """Lines of one person and one request, each a click of its own; `pick` says how many more than one."""
        numbers = range(step.number, step.number + batch_size(step))
        tickets = {number: self._ticket(step, number) for number in numbers}
        for number, ticket in tickets.items():
            self.tickets[number] = (step.number, ticket)
        self.exchange.applied["batch"] += 1
        batch_submit(self._person(step.number), tickets, batch_key=uuid.UUID(int=(3 << 120) + step.number), faults={})

    # --- order groups --------------------------------------------------------------------------------
    def _do_group(self, step: Step) -> None:
        """name: what is asked; of a group that there is, chosen by `pick`."""
        kind = Kind(step.name)
        key = uuid.UUID(int=(4 << 120) + (list(Kind).index(kind) << 100) + step.pick)
        actor = self._person(step.pick)
        self.exchange.applied[f"group {kind.value}"] += 1
        if kind == Kind.CREATE:
            group_create(actor, name="Ladder", limit=Decimal(step.number), idempotency_key=key)
            return
        groups = list(OrderGroup.objects.exclude(group_id=None).order_by("pk"))
        if groups:
            limit = Decimal(step.number) if kind == Kind.LIMIT else None
            group_ask(actor, groups[step.pick % len(groups)], kind, idempotency_key=key, limit=limit)

    def group_id_for(self, pick: int) -> str:
        """The group that a ticket names: "" where there is none."""
        groups = OrderGroup.objects.filter(state=OrderGroup.State.ACTIVE).exclude(group_id=None).order_by("pk")
        names = [str(group.group_id) for group in groups]
        return names[pick % len(names)] if names else ""

    # --- what stops people ---------------------------------------------------------------------------
    def _do_pause(self, step: Step) -> None:
        """Pause one's own trading, or everybody's; or let all go on again."""
        self.exchange.applied["trading stopped by the desk"] += 1
        if pauses_in_force(self.place.desk.pk).exists():
            self.pauses_end()
            return
        scope = TradingPause.Scope.DESK if step.pick % 2 else TradingPause.Scope.PERSON
        pause_set(self._person(step.pick), scope=scope)

    def pauses_end(self) -> None:
        for pause in pauses_in_force(self.place.desk.pk):
            pause_release(self.lead, pause.pk)

    def _do_limit(self, step: Step) -> None:
        """Another limit for everybody on the account; 0: only the defaults."""
        self.exchange.applied["limits changed"] += 1
        values: dict[str, Decimal | int | None] = {name: DEFAULTS[name] for name in DEFAULTS}
        if step.number:
            values |= {"max_count": Decimal(step.number), "max_open_contracts": Decimal(step.number * 3)}
        limit_set(self.lead, values, reason="the storm", user_id=None, account_id=self.place.account.pk)

    def stopped(self, user_id: int, count: Decimal) -> str:
        """Say why an order of this person and size may not leave now; "" when it may."""
        if any(pause.user_id in (None, user_id) for pause in pauses_in_force(self.place.desk.pk)):
            return "while their trading was paused"
        largest = RiskLimit.objects.filter(account=self.place.account).values_list("max_count", flat=True).first()
        return f"of {count} contracts against a limit of {largest}" if largest is not None and count > largest else ""

    # --- the exchange's own site -------------------------------------------------------------------------
    def _do_elsewhere(self, step: Step) -> None:
        """One of the account's orders, ours or not, is changed or cancelled past the desk."""
        resting = [row for row in self.exchange.orders() if row["status"] == "resting"]
        if not resting:
            return
        row = resting[step.pick % len(resting)]
        body = {"action": step.name, "member": MEMBER, "order_id": row["order_id"]}
        left = Decimal(row["remaining_count_fp"])
        if step.name == "amend":
            body |= {"price": step.price, "count": f"{Decimal(row['fill_count_fp']) + left:.0f}"}
        elif step.name == "decrease":
            body |= {"count": f"{left // 2:.0f}"}
        answer = self.exchange.paper.control_response("POST", "/external", body)
        self.exchange.applied[f"{step.name} elsewhere"] += answer.status == 200

    # --- a database that is away -----------------------------------------------------------------------
    def _do_no_database(self, step: Step) -> None:
        """The next outcomes of sends cannot be written down: they go into the file, and come back with the sweep."""
        self._writes_that_fail += step.number

    @contextmanager
    def failing_writes(self, folder: Path) -> Iterator[None]:
        """What of the sender can be hit by `no_database`, and a file of its own for what is kept."""
        file = folder / "orders-spill.jsonl"
        file.unlink(missing_ok=True)
        self._writes_that_fail = 0

        is_recording = False
        record = send.outcome_record

        def recording(*args: Any) -> Any:
            nonlocal is_recording
            is_recording = True
            try:
                return record(*args)
            finally:
                is_recording = False

        def failing(real: Callable[..., Any]) -> Callable[..., Any]:
            def write(*args: Any, **named: Any) -> Any:
                if is_recording and self._writes_that_fail:
                    self._writes_that_fail -= 1
                    self.exchange.applied["outcome not written"] += 1
                    raise OperationalError("database is locked")
                return real(*args, **named)

            return write

        with ExitStack() as stack:
            stack.enter_context(patch.object(spill, "path", lambda: file))
            stack.enter_context(patch.object(send, "outcome_record", recording))
            for name in ("order_apply", "intent_refuse", "intent_unknown"):
                stack.enter_context(patch.object(send, name, failing(getattr(send, name))))
            yield
