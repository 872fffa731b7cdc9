"""The writers of orders: see each module. Reading is in `apps.orders.selectors`."""

from apps.orders.services.apply import order_apply
from apps.orders.services.batch import TOKENS_PER_ORDER, BatchLine, batch_check, batch_send, batch_submit
from apps.orders.services.bulk import fills_store, orders_store
from apps.orders.services.cancel import cancel_send, cancel_submit
from apps.orders.services.cancel_runs import (
    SELECTED_AT_MOST,
    CancelAllResult,
    CancelManyResult,
    cancel_all,
    cancel_many,
    cancel_runs_follow,
)
from apps.orders.services.change import Seen, Wish, change_submit
from apps.orders.services.changing import change_resolve, change_send
from apps.orders.services.fills import fill_correct, fills_record
from apps.orders.services.gate import gate_open
from apps.orders.services.groups import (
    group_apply,
    group_ask,
    group_create,
    group_for,
    group_send,
    groups_in_use,
    groups_read,
)
from apps.orders.services.limit_changes import limit_remove, limit_set
from apps.orders.services.limit_rows import limits_of
from apps.orders.services.limits import LimitUse, limits_use
from apps.orders.services.lookup import intent_resolve, order_lookup
from apps.orders.services.pauses import desk_account_ids, pause_release, pause_set, pauses_in_force
from apps.orders.services.preview import FeeNow, OrderPreview, order_preview
from apps.orders.services.queueing import queue_positions_apply, queue_positions_read, queued_accounts
from apps.orders.services.recover import spill_replay
from apps.orders.services.send import intent_send, intents_expire, intents_interrupted, sender_warm
from apps.orders.services.submit import intent_submit
from apps.orders.services.sweep import intents_sweep
from apps.orders.services.sync import orders_reconcile, sync_failed

__all__ = [
    "SELECTED_AT_MOST",
    "TOKENS_PER_ORDER",
    "BatchLine",
    "CancelAllResult",
    "CancelManyResult",
    "FeeNow",
    "LimitUse",
    "OrderPreview",
    "Seen",
    "Wish",
    "batch_check",
    "batch_send",
    "batch_submit",
    "cancel_all",
    "cancel_many",
    "cancel_runs_follow",
    "cancel_send",
    "cancel_submit",
    "change_resolve",
    "change_send",
    "change_submit",
    "desk_account_ids",
    "fill_correct",
    "fills_record",
    "fills_store",
    "gate_open",
    "group_apply",
    "group_ask",
    "group_create",
    "group_for",
    "group_send",
    "groups_in_use",
    "groups_read",
    "intent_resolve",
    "intent_send",
    "intent_submit",
    "intents_expire",
    "intents_interrupted",
    "intents_sweep",
    "limit_remove",
    "limit_set",
    "limits_of",
    "limits_use",
    "order_apply",
    "order_lookup",
    "order_preview",
    "orders_reconcile",
    "orders_store",
    "pause_release",
    "pause_set",
    "pauses_in_force",
    "queue_positions_apply",
    "queue_positions_read",
    "queued_accounts",
    "sender_warm",
    "spill_replay",
    "sync_failed",
]
