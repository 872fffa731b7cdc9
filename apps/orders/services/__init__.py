"""The writers of orders: see each module. Reading is in `apps.orders.selectors`."""

from apps.orders.services.apply import order_apply
from apps.orders.services.cancel import CancelAllResult, cancel_all, cancel_send, cancel_submit
from apps.orders.services.fills import fills_record
from apps.orders.services.lookup import intent_resolve, order_lookup
from apps.orders.services.preview import OrderPreview, order_preview
from apps.orders.services.send import intent_send, intents_expire, intents_interrupted
from apps.orders.services.submit import intent_submit
from apps.orders.services.sweep import intents_sweep
from apps.orders.services.sync import orders_reconcile, sync_failed

__all__ = [
    "CancelAllResult",
    "OrderPreview",
    "cancel_all",
    "cancel_send",
    "cancel_submit",
    "fills_record",
    "intent_resolve",
    "intent_send",
    "intent_submit",
    "intents_expire",
    "intents_interrupted",
    "intents_sweep",
    "order_apply",
    "order_lookup",
    "order_preview",
    "orders_reconcile",
    "sync_failed",
]
