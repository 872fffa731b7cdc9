"""Background work of the portfolio. Every task may run twice, late or never without harm: they only read."""

import logging

from celery import shared_task

from apps.accounts.permissions import task_permission
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Permission
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.errors import ExchangeError
from apps.portfolio import queue, services

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def portfolios_refresh() -> None:
    """Queue a refresh of every account with a key. Beat runs this every 15 s."""
    for account in accounts_with_keys():
        queue.refresh_now(account.account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def account_portfolio_sync(account_id: int) -> None:
    """Read one account's balances and positions."""
    try:
        services.portfolio_refresh(account_id)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("balances of account %s were not read, beat tries again: %s", account_id, exc)
