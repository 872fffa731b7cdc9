"""Taking the exchange's record into the ledger, in a worker: it is read anew, never taken from the page."""

from apps.core.errors import DeskError
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.history.models import Discrepancy, Subject
from apps.orders.reports import fill_from_rest, order_from_rest
from apps.orders.services import fill_correct, fills_record, order_apply
from apps.portfolio.figures_fold import market_fold_anew
from apps.portfolio.figures_refresh import figures_refresh


def adopt(discrepancy_id: int) -> int | None:
    """Read one record and give it to the ledger's door; returns the account, None when there is no such difference.

    Raises:
        ExchangeError, DeskError, WireFormatError: it could not be read; nothing changed.
    """
    row = Discrepancy.objects.filter(pk=discrepancy_id).exclude(subject=Subject.POSITION).first()
    if row is None:
        return None
    client = client_for(row.account_id, write=False)
    order_id = row.key.partition(":")[2] if row.subject == Subject.TRADE else row.key
    if row.subject == Subject.ORDER:
        order_apply(row.account_id, order_from_rest(api.get_order(client, order_id)), source="rest")
        _say(row)
        return row.account_id
    for record in api.get_fills(client, order_id=order_id):
        report = fill_from_rest(record)
        if f"{report.trade_id}:{report.order_id}" == row.key:
            if not fills_record(row.account_id, [report], source="rest") and fill_correct(row.account_id, report):
                # Only new fills are folded by themselves; the correction may have moved it to another subaccount.
                for subaccount, ticker in {(row.subaccount, row.ticker), (report.subaccount, report.ticker)}:
                    market_fold_anew(row.account_id, subaccount=subaccount, ticker=ticker)
            figures_refresh(row.account_id)
            _say(row)
            return row.account_id
    raise DeskError("not_listed", "The exchange does not list this record any more.")


def _say(row: Discrepancy) -> None:
    Discrepancy.objects.filter(pk=row.pk, state=Discrepancy.State.OPEN).update(resolution="Adopted from the exchange.")
