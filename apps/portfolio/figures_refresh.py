"""After each reading of an account: fold what is new, hold it against the exchange, keep a point, tell the browsers."""

import logging
from datetime import datetime

from apps.core.timestamps import utc_now
from apps.portfolio.breaks import breaks_check
from apps.portfolio.day_results import day_results_record
from apps.portfolio.equity import equity_record
from apps.portfolio.figures_events import pnl_publish
from apps.portfolio.figures_fold import figures_fold

logger = logging.getLogger(__name__)


def figures_refresh(account_id: int, *, now: datetime | None = None) -> None:
    """Bring all figures of one account up to date. Reads the exchange for nothing; safe to repeat."""
    now = utc_now() if now is None else now
    days = figures_fold(account_id, now=now)
    if days:
        logger.info("profit and loss of account %s changed on %d days", account_id, len(days))
    breaks_check(account_id, now=now)
    equity_record(account_id, now=now)
    day_results_record(account_id, now=now)
    pnl_publish(account_id)
