"""What the exchange truly holds against what the desk says, after all faults have ended (RELIABILITY 3b)."""

from collections import Counter
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from apps.audit.models import AuditEntry
from apps.audit.services import verify
from apps.core import order_state
from apps.orders.models import CancelIntent, ChangeIntent, Fill, GroupAction, Order, OrderGroup, OrderIntent
from apps.orders.services.change import OPEN_CHANGES
from apps.paper.testing import LINEAR
from apps.portfolio.models import Position
from tests.faults.world import HEAL_SECONDS, OPEN_ACTIONS, OPEN_CANCELS, OPEN_INTENTS, World

State = OrderIntent.State


def violations(world: World) -> list[str]:
    """Return each broken rule in words, the rule's number first; empty when the desk kept its word."""
    truth = world.exchange.truth()
    return list(
        dict.fromkeys(
            [
                *world.problems,
                *_sent_once(world, truth["orders"]),
                *_amended_once(world),
                *_orders_agree(world, truth["orders"]),
                *_intents_honest(world, truth["orders"]),
                *_fills_agree(truth["fills"]),
                *_positions_agree(truth["positions"]),
                *_rows_monotone(world),
                *_groups_agree(world),
                *_nothing_open(world),
                *_trail_whole(world),
            ]
        )
    )


def _sent_once(world: World, orders: list[dict[str, Any]]) -> list[str]:
    """I1: one click, at most one request and at most one order. The size of an order names its click."""
    found = []
    requests = Counter(sent.count for sent in world.exchange.sent)
    # A decrease changes an order's size, so the request that made the order tells its click.
    size = {sent.client_order_id: sent.count for sent in world.exchange.sent}
    own = Counter(
        size.get(row["client_order_id"], row["initial_count_fp"])
        for row in orders
        if row["order_id"] not in world.externals
    )
    clicks = {f"{ticket.count}.00" for _, ticket in world.tickets.values()}
    for count, number in requests.items():
        if number > 1:
            found.append(f"I1 the click of {count} contracts was sent {number} times")
    for count, number in own.items():
        if number > 1:
            found.append(f"I1 the click of {count} contracts became {number} orders")
        if count not in clicks:
            found.append(f"I1 an order of {count} contracts that nobody clicked")
    return found


def _orders_agree(world: World, orders: list[dict[str, Any]]) -> list[str]:
    """I2 and I3: the same orders on both sides, with the same progress; I7: nothing of an order is missing."""
    found = []
    stored = {order.order_id: order for order in Order.objects.select_related("intent")}
    for row in orders:
        order = stored.pop(row["order_id"], None)
        if order is None:
            found.append(f"I2 order {row['order_id']} of {row['initial_count_fp']} is not in the ledger")
            continue
        told = (order.status, order.price, order.filled_count, order.remaining_count)
        numbers = (row[name] for name in ("yes_price_dollars", "fill_count_fp", "remaining_count_fp"))
        true = (row["status"], *map(Decimal, numbers))
        if told != true:
            found.append(f"I2 order {row['order_id']} is {told} in the ledger and {true} at the exchange")
        is_external = row["order_id"] in world.externals
        if is_external != (order.intent is None):
            found.append(f"I2 order {row['order_id']} is {'' if is_external else 'not '}external, the ledger differs")
        if order.intent is not None and str(order.intent.client_order_id) != row["client_order_id"]:
            found.append(f"I2 order {row['order_id']} belongs to another intent")
        if order.filled_count + order.remaining_count > order.initial_count:
            found.append(f"I7 order {row['order_id']} has more contracts than it began with")
        filled = order.fills.aggregate(count=Sum("count"))["count"] or Decimal(0)
        if filled != order.filled_count:
            found.append(f"I7 order {row['order_id']}: its fills say {filled}, it says {order.filled_count}")
    found += [f"I3 order {order_id} is in the ledger and not at the exchange" for order_id in stored]
    return found


def _amended_once(world: World) -> list[str]:
    """I1: each amend that a person wished left the desk at most once."""
    wished = Counter(ChangeIntent.objects.filter(kind="amend").values_list("order__order_id", flat=True))
    return [
        f"I1 order {order_id} was amended {number} times for {wished[order_id]} wishes"
        for order_id, number in world.exchange.amends.items()
        if number > wished[order_id]
    ]


def _intents_honest(world: World, orders: list[dict[str, Any]]) -> list[str]:
    """I3 and I4: what an intent says, and ever said, is what became of it."""
    found = []
    at_exchange = {row["client_order_id"] for row in orders}
    ever_refused = {
        shown.key for shown in world.shown if shown.row is not None and shown.row.get("state") == State.REFUSED
    }
    for intent in OrderIntent.objects.all():
        exists = str(intent.client_order_id) in at_exchange
        if exists and intent.state != State.ACKED:
            found.append(f"I4 intent of {intent.count} is {intent.state}, but its order exists")
        if not exists and intent.state == State.ACKED:
            found.append(f"I3 intent of {intent.count} is acknowledged, but no order exists")
        if exists and f"intent:{intent.pk}" in ever_refused:
            found.append(f"I4 intent of {intent.count} was shown as refused, but its order exists")
    return found


def _fills_agree(fills: list[dict[str, Any]]) -> list[str]:
    """I6: each fill once, whoever told it first."""
    told = Counter((fill.trade_id, fill.order_id_text, fill.count) for fill in Fill.objects.all())
    true = Counter((fill["trade_id"], fill["order_id"], Decimal(fill["count_fp"])) for fill in fills)
    found = [f"I6 fill {key[0]} of order {key[1]} is counted too often" for key in (told - true)]
    return found + [f"I2 fill {key[0]} of order {key[1]} is not in the ledger" for key in (true - told)]


def _positions_agree(positions: list[dict[str, Any]]) -> list[str]:
    """I7: the position is the exchange's, and the sum of our fills."""
    true = sum((Decimal(row["position_fp"]) for row in positions if row["ticker"] == LINEAR), Decimal(0))
    told = Position.objects.filter(ticker=LINEAR).aggregate(sum=Sum("position"))["sum"] or Decimal(0)
    fills = sum((fill.count if fill.book_side == "bid" else -fill.count for fill in Fill.objects.all()), Decimal(0))
    found = []
    if told != true:
        found.append(f"I7 the position is {told} in the ledger and {true} at the exchange")
    if fills != true:
        found.append(f"I7 the fills add up to {fills}, the exchange's position is {true}")
    return found


def _rows_monotone(world: World) -> list[str]:
    """I8: no browser sees an order go back, whatever came twice, late or out of order; I6: each fill is news once."""
    found = []
    filled: dict[str, Decimal] = {}
    ended: dict[str, str] = {}
    # A browser keeps the row with the highest version, so they are judged in that order.
    rows = sorted(
        (shown for shown in world.shown if shown.row is not None and shown.topic.startswith("orders:")),
        key=lambda shown: (shown.key, shown.row["v"] if shown.row else 0),
    )
    for shown in rows:
        assert shown.row is not None
        key, state = shown.key, shown.row["state"]
        if Decimal(shown.row["filled"]) < filled.get(key, Decimal(0)):
            found.append(f"I8 {key}: filled went back to {shown.row['filled']}")
        filled[key] = max(filled.get(key, Decimal(0)), Decimal(shown.row["filled"]))
        if key in ended and state != ended[key]:
            found.append(f"I8 {key} was {ended[key]} and is {state}")
        if state in (order_state.OrderStatus.CANCELED, order_state.OrderStatus.EXECUTED):
            ended[key] = state
    news = Counter(shown.key for shown in world.shown if shown.topic.startswith("fills:"))
    return found + [f"I6 fill {key} was news {number} times" for key, number in news.items() if number > 1]


def _groups_agree(world: World) -> list[str]:
    """I1 and I2 of order groups: the unsafe direction once per wish; the same groups and limits on both sides."""
    found = []
    for kind in ("create", "reset", "limit"):
        wished = GroupAction.objects.filter(kind=kind).count()
        if world.exchange.group_requests[kind] > wished:
            found.append(f"I1 {world.exchange.group_requests[kind]} requests to {kind} a group for {wished} wishes")
    over = (OrderGroup.State.DELETED, OrderGroup.State.FAILED, OrderGroup.State.CREATING)
    told = {row.group_id: row for row in OrderGroup.objects.exclude(group_id=None).exclude(state__in=over)}
    true = {group.group_id: group for group in world.exchange.paper.exchange.groups(world.exchange.user_id)}
    found += [f"I2 group {name} is not in the ledger" for name in true.keys() - told.keys()]
    found += [f"I3 group {name} is in the ledger and not at the exchange" for name in told.keys() - true.keys()]
    for name in true.keys() & told.keys():
        limit = Decimal(true[name].limit).scaleb(-2)
        if told[name].contracts_limit != limit:
            found.append(f"I2 group {name} has a limit of {told[name].contracts_limit} here and {limit} there")
    return found


def _nothing_open(world: World) -> list[str]:
    """I18: faults over, nothing stays open."""
    found = [
        f"I18 intent of {intent.count} is still {intent.state} after {HEAL_SECONDS} s"
        for intent in OrderIntent.objects.filter(state__in=OPEN_INTENTS)
    ]
    found += [
        f"I18 a change is still {change.state} after {HEAL_SECONDS} s"
        for change in ChangeIntent.objects.filter(state__in=OPEN_CHANGES)
    ]
    found += [
        f"I18 what was asked of a group ({action.kind}) is still {action.state} after {HEAL_SECONDS} s"
        for action in GroupAction.objects.filter(OPEN_ACTIONS)
    ]
    return found + [
        f"I18 a cancel is still {cancel.state} after {HEAL_SECONDS} s"
        for cancel in CancelIntent.objects.filter(state__in=OPEN_CANCELS)
    ]


def _trail_whole(world: World) -> list[str]:
    """I17: the chain holds, and each intent was written down once."""
    found = []
    result = verify(world.place.desk.pk)
    if result.problem:
        found.append(f"I17 the trail {result.problem}")
    committed = Counter(AuditEntry.objects.filter(action="orders.intent.committed").values_list("target", flat=True))
    for pk in OrderIntent.objects.values_list("pk", flat=True):
        if committed[f"order_intent:{pk}"] != 1:
            found.append(f"I17 intent {pk} has {committed[f'order_intent:{pk}']} entries in the trail")
    return found
