"""What a desk calls a subaccount. The exchange knows numbers only, so this is ours alone and nothing is sent."""

from django.db import transaction

from apps.accounts.access import account_get
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.portfolio import cash_events
from apps.portfolio.models import Subaccount


def subaccount_rename(actor: Actor, *, number: int, name: str) -> Subaccount:
    """Name a subaccount of the selected account; empty takes it away. Raises NotAllowed, NotFound, DeskError."""
    if not actor.may(Permission.SUBACCOUNT_MANAGE):
        raise NotAllowed
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    account = account_get(actor, actor.account_id)
    words = " ".join(name.split())[:60]
    with transaction.atomic():
        row = Subaccount.objects.select_for_update().filter(account=account, number=number).first()
        if row is None:
            raise NotFound("The desk has not read such a subaccount.")
        if row.name == words:
            return row
        was, row.name = row.name, words
        row.save(update_fields=["name"])
        audit.record(
            "portfolio.subaccount.renamed",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            environment=account.environment,
            target=f"exchange_account:{account.pk}",
            data={"number": number, "was": was, "is": words},
        )
        cash_events.subaccounts_publish(account.pk)
    return row
