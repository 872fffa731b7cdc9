"""Background work of the portfolio. Every task may run twice, late or never without harm: they only read."""

import logging

from celery import shared_task

from apps.accounts.permissions import task_permission
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Permission
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.errors import ExchangeError
from apps.orders.queue import enqueue
from apps.portfolio import queue, sending, services
from apps.portfolio.figures_refresh import figures_refresh
from apps.portfolio.models import Subaccount
from apps.portfolio.subaccounts import subaccounts_refresh

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def portfolios_refresh() -> None:
    """Queue a refresh of every account with a key. Beat runs this every 15 s."""
    for account in accounts_with_keys():
        queue.refresh_now(account.account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def account_portfolio_sync(account_id: int) -> None:
    """Read one account's balances and positions, and bring profit and loss up to them."""
    try:
        services.portfolio_refresh(account_id)
        if not Subaccount.objects.filter(account_id=account_id).exists():
            enqueue(queue.SUBACCOUNTS_SYNC, account_id)  # the first reading of a new account
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("balances of account %s were not read, beat tries again: %s", account_id, exc)
    figures_refresh(account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.CASH_MOVE)
def subaccount_send(action_id: int) -> None:
    """Make one attempt of a transfer or another wish of a person, whose right is asked for again."""
    sending.action_send(action_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def subaccounts_sweep() -> None:
    """Hand over again what was asked of subaccounts and has no outcome. Beat runs this every 5 s."""
    sending.actions_sweep()


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def subaccounts_read() -> None:
    """Queue a reading of every account's subaccounts. Beat runs this every 30 s."""
    for account in accounts_with_keys():
        enqueue(queue.SUBACCOUNTS_SYNC, account.account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def account_subaccounts_sync(account_id: int) -> None:
    """Read one account's subaccounts: cash, netting, transfers."""
    try:
        subaccounts_refresh(account_id)
        sending.transfers_join(account_id)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("subaccounts of account %s were not read, beat tries again: %s", account_id, exc)
