"""Live frames of the topic `subaccounts:<account>`. Contract: docs/realtime.md.

Whole frame: {"subaccounts": [{"number", "name", "is_netting", "cash", "portfolio_value", "seen_ms"}], "actions":
[newest first: {"id", "kind", "state", "state_text", "what", "why", "by", "at_ms"}], "transfers": [newest first:
{"id", "from", "to", "amount", "at_ms", "by"}]}. Decimals are strings, times Unix milliseconds, null is not known.
"""

from typing import Any

from apps.core.money import format_dollars
from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.portfolio.models import Balance, Subaccount, SubaccountAction, Transfer

Row = dict[str, Any]

ACTIONS_SHOWN = 20
TRANSFERS_SHOWN = 50


def subaccounts_topic(account_id: int) -> str:
    return str(TopicName("subaccounts", str(account_id)))


def subaccounts_publish(account_id: int) -> None:
    live.publish_on_commit(subaccounts_topic(account_id), lambda: subaccounts_frame(account_id))


def subaccounts_state(topic: TopicName) -> Row:
    return subaccounts_frame(int(topic.scope))


def subaccounts_frame(account_id: int) -> Row:
    actions = SubaccountAction.objects.filter(account_id=account_id).select_related("requested_by")
    transfers = Transfer.objects.filter(account_id=account_id).select_related("action__requested_by")
    return {
        "subaccounts": subaccount_rows(account_id),
        "actions": [action_row(row) for row in actions.order_by("-created_at", "-pk")[:ACTIONS_SHOWN]],
        "transfers": [transfer_row(row) for row in transfers.order_by("-created_at", "-pk")[:TRANSFERS_SHOWN]],
    }


def subaccount_rows(account_id: int) -> list[Row]:
    """The primary one first. Every subaccount that was ever listed, or that has a balance."""
    balances = {row.subaccount: row for row in Balance.objects.filter(account_id=account_id)}
    listed = {row.number: row for row in Subaccount.objects.filter(account_id=account_id)}
    return [_subaccount(number, listed.get(number), balances.get(number)) for number in sorted({*listed, *balances})]


def _subaccount(number: int, row: Subaccount | None, balance: Balance | None) -> Row:
    value = balance.portfolio_value if balance else None
    return {
        "number": number,
        "name": row.name if row else "",
        "is_netting": row.is_netting if row else None,
        "cash": format_dollars(balance.cash) if balance else None,
        "portfolio_value": None if value is None else format_dollars(value),
        "seen_ms": to_unix_ms(balance.seen_at) if balance else None,
    }


def action_row(action: SubaccountAction) -> Row:
    return {
        "id": action.pk,
        "kind": action.kind,
        "state": action.state,
        "state_text": action.get_state_display(),
        "what": action_words(action),
        "why": action.error_text or action.evidence,
        "by": action.requested_by.get_username(),
        "at_ms": to_unix_ms(action.created_at),
    }


def action_words(action: SubaccountAction) -> str:
    """Say in words what was asked."""
    if action.kind == SubaccountAction.Kind.TRANSFER:
        return f"${action.amount:,.2f} from {action.from_subaccount} to {action.to_subaccount}"
    if action.kind == SubaccountAction.Kind.CREATE:
        return "New subaccount" if action.number is None else f"New subaccount {action.number}"
    return f"Netting of {action.number} {'on' if action.is_netting else 'off'}"


def transfer_row(transfer: Transfer) -> Row:
    action = getattr(transfer, "action", None)
    return {
        "id": transfer.transfer_id,
        "from": transfer.from_subaccount,
        "to": transfer.to_subaccount,
        "amount": format_dollars(transfer.amount),
        "at_ms": to_unix_ms(transfer.created_at),
        "by": action.requested_by.get_username() if action else None,
    }
