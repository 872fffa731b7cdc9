"""Bring back what the database could not take when it was told; until then no order passes."""

from apps.core.errors import DeskError
from apps.orders import spill
from apps.orders.models import OrderIntent
from apps.orders.services.apply import order_apply
from apps.orders.services.send import intent_refuse, intent_unknown


def spill_check() -> None:
    """Raises DeskError `recovering` while answers of the exchange wait to be written."""
    if spill.is_pending():
        text = "The desk is writing down answers that its database did not take. Nothing was sent. Try again shortly."
        raise DeskError("recovering", text)


def spill_replay() -> int:
    """Write down what was kept; returns how many outcomes. Twice is harmless."""
    return spill.replay(_apply)


def _apply(record: spill.Record) -> None:
    intent = OrderIntent.objects.select_related("account").get(pk=record.intent_id)
    match record.outcome:
        case "answer" if record.report is not None:
            order_apply(record.account_id, record.report, source="answer")
        case "refused":
            intent_refuse(intent, code=record.code, text=record.text)
        case _:
            intent_unknown(intent, code=record.code, text=record.text)
