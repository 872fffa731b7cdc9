"""Exports: asked for by a person, written down in the trail, then streamed."""

from collections.abc import Callable, Iterator

from apps.accounts.access import accounts_seen
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.history.exports.parquet import parquet_chunks
from apps.history.exports.tables import Table
from apps.history.exports.text import csv_chunks
from apps.history.exports.workbook import workbook_chunks
from apps.history.search.choice import Choice
from apps.history.search.columns import Names
from apps.history.search.walk import search_rows
from apps.orders.access import require_somewhere
from apps.orders.pages.blotter import people_of

FORMATS: dict[str, tuple[str, Callable[[Table], Iterator[bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", csv_chunks),
    "parquet": ("application/vnd.apache.parquet", parquet_chunks),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", workbook_chunks),
}


def names_for(actor: Actor) -> Names:
    """What accounts and people of the actor's desk are called, those that left included."""
    accounts = dict(ExchangeAccount.objects.filter(desk_id=actor.desk_id).values_list("pk", "name"))
    return Names(accounts, people_of(actor))


def search_export(actor: Actor, choice: Choice, *, form: str) -> Table:
    """Write the export into the trail and return what to stream: everything that the choice matches.

    Raises NotAllowed; NotFound for another desk's account; DeskError for a format that there is not.
    """
    require_somewhere(actor, Permission.DESK_EXPORT)
    if form not in FORMATS:
        raise DeskError("bad_input", f"A file is one of {', '.join(FORMATS)}.", fields={"format": "Choose a format."})
    source = choice.of
    mine = actor.only(Permission.DESK_EXPORT)
    rows = search_rows(mine, choice)
    account = accounts_seen(mine).filter(pk=choice.account).first() if choice.account else None
    audit.record(
        "history.search.exported",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=account.environment if account else "",
        target=f"exchange_account:{account.pk}" if account else "",
        data={"format": form, "zone": choice.zone, **choice.values()},
    )
    return Table(source.kind, source.columns, (row[2:] for row in rows), names_for(actor))
