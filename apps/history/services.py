"""What people may ask of the sync: read now, read from the beginning, keep the public data of a market."""

from django.db import IntegrityError, transaction

from apps.accounts.access import account_get
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.history import queue
from apps.history.models import ChosenMarket, SyncState
from apps.history.sync.work import states_ensure
from apps.markets.models import Market
from apps.orders.queue import enqueue

CHOSEN_AT_MOST = 50  # markets of one account


def sync_ask(actor: Actor, *, account_id: int, key: str = "", is_full: bool = False) -> int:
    """Have data sets read now; return how many.

    Args:
        key: of one data set (`events.state_key`), "" for all of them.
        is_full: from the exchange's first record, which also finds what is missing in between.

    Raises:
        NotAllowed, NotFound: not this person's to ask.
        DeskError: `bad_input`, no such data set.
    """
    account = _account(actor, account_id)
    states_ensure(account.pk)
    data_set, _, scope = key.partition(":")
    wanted = SyncState.objects.filter(account=account)
    if key:
        wanted = wanted.filter(data_set=data_set, scope=scope)
    with transaction.atomic():
        changes = {"next_at": None} | ({"wants_full": True} if is_full else {})
        count = wanted.update(**changes)
        if not count:
            raise DeskError("bad_input", "There is no such data set. Reload the page.")
        _record(actor, account, "history.sync.asked", {"key": key or "all", "is_full": is_full})
        transaction.on_commit(lambda: enqueue(queue.ACCOUNT_HISTORY, account.pk))
    return count


def market_choose(actor: Actor, *, account_id: int, ticker: str) -> ChosenMarket:
    """Keep the public trades and candles of a market from now on, and read those of before.

    Raises:
        NotAllowed, NotFound: not this person's to choose.
        DeskError: `bad_input` with what is wrong.
    """
    account = _account(actor, account_id)
    ticker = ticker.strip().upper()
    if not Market.objects.filter(environment=account.environment, ticker=ticker).exists():
        raise DeskError("bad_input", f"There is no market {ticker[:120]}." if ticker else "Enter a market's ticker.")
    if ChosenMarket.objects.filter(account=account).count() >= CHOSEN_AT_MOST:
        raise DeskError("bad_input", f"At most {CHOSEN_AT_MOST} markets are kept for an account. Take one out first.")
    try:
        with transaction.atomic():
            chosen = ChosenMarket.objects.create(
                account=account, ticker=ticker, chosen_by_id=actor.user_id, chosen_at=utc_now()
            )
            _record(actor, account, "history.market.chosen", {"ticker": ticker})
            states_ensure(account.pk)
            transaction.on_commit(lambda: enqueue(queue.ACCOUNT_HISTORY, account.pk))
    except IntegrityError as exc:
        raise DeskError("bad_input", f"{ticker} is kept already.") from exc
    return chosen


def market_leave(actor: Actor, *, account_id: int, ticker: str) -> None:
    """Read no more of a market; what was read stays. Raises NotAllowed, NotFound, DeskError."""
    account = _account(actor, account_id)
    with transaction.atomic():
        gone, _ = ChosenMarket.objects.filter(account=account, ticker=ticker).delete()
        if not gone:
            raise DeskError("bad_input", "This market is not kept.")
        _record(actor, account, "history.market.left", {"ticker": ticker})


def _account(actor: Actor, account_id: int) -> ExchangeAccount:
    if not actor.may(Permission.HISTORY_SYNC):
        raise NotAllowed
    return account_get(actor, account_id)


def _record(actor: Actor, account: ExchangeAccount, action: str, data: dict[str, object]) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=account.environment,
        target=f"account:{account.pk}",
        data=data,
    )
