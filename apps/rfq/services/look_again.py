"""Last looks that wait: prices were not there when the accept was heard, and the window still runs.

A gateway that died and starts anew has no live prices for a moment. Nothing is confirmed blindly, and nothing is let
lapse before the last moment either: the look is repeated until it passes, fails for another reason, or time is up.
Meanwhile a person may decide. Where there is no live feed, a worker reads the books from the exchange instead.
"""

import logging
import threading
import time
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F

from apps.core.errors import DeskError, WireFormatError
from apps.core.last_look import WAITS, checks, first_failure, to_json
from apps.core.rfq import ConfirmationState, Deadline, Outcome, Policy
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.selectors import FeedState
from apps.exchange.wire.errors import ExchangeError
from apps.rfq.models import Confirmation
from apps.rfq.services.confirm_apply import told
from apps.rfq.services.confirmations import auto_verdict, hand_over, heard_data
from apps.rfq.services.last_look import Prices, feed_state, look_at, prices_for, prices_read
from apps.rfq.stored import account_lock

logger = logging.getLogger(__name__)

EVERY: Final = 0.2  # seconds
READ_EVERY: Final = 0.5

_looked: dict[int, float] = {}  # confirmation -> when this process looked last, monotonic seconds
_lock = threading.Lock()


def is_looked_at_again(decision: str, policy: str, reason: str) -> bool:
    """Whether an open confirmation waits for prices."""
    return not decision and policy == Policy.AUTO and reason in WAITS


def looks_again(*, now: datetime | None = None, may_read: bool = False) -> int:
    """Look again at what waits for prices; returns how many were decided. Safe at any time, and twice.

    may_read: the books may be read from the exchange where the feed is not live, which takes as long as it takes.
    """
    now = now or utc_now()
    waiting = Confirmation.objects.filter(
        state=ConfirmationState.OPEN, decision="", policy=Policy.AUTO, reason__in=WAITS, send_by__gt=now
    )
    environments = dict(waiting.values_list("pk", "quote__account__environment"))
    decided = 0
    blind: dict[str, FeedState] = {}  # asked once a pass: Redis that is away must not hold up who sends what is decided
    unseen: list[Confirmation] = []
    for pk in _due(list(environments), READ_EVERY if may_read else EVERY):
        confirmation = _load(pk)
        if environments[pk] in blind:
            unseen.append(confirmation)
            continue
        prices = prices_for(confirmation.quote)
        if prices.feed.state != "live":
            blind[environments[pk]] = prices.feed
        if prices.feed.state != "live" or (prices.priced_at is None and may_read):
            unseen.append(confirmation)
            continue
        decided += _again(confirmation, prices)
    return decided + (_read_and_decided(unseen) if may_read else 0)


def _read_and_decided(unseen: list[Confirmation]) -> int:
    """Judge by books that are read now; of each account with its own key."""
    decided = 0
    for account_id in sorted({one.quote.account_id for one in unseen}):
        ours = [one for one in unseen if one.quote.account_id == account_id]
        why = feed_state(ours[0].quote.account.environment).why
        try:
            client = client_for(account_id, write=False)
            read = prices_read(client, [one.quote.incoming for one in ours], why=why)
        except (ExchangeError, DeskError, WireFormatError) as exc:
            logger.warning("the books for the last look of account %s were not read: %s", account_id, exc)
            continue
        for one in ours:
            decided += _again(one, prices_for(one.quote, seen=read[one.quote.incoming_id]))
    return decided


def _due(pks: list[int], every: float) -> list[int]:
    at = time.monotonic()
    with _lock:
        due = [pk for pk in pks if at - _looked.get(pk, float("-inf")) >= every]
        kept = {pk: _looked[pk] for pk in pks if pk in _looked}
        _looked.clear()
        _looked.update(kept | dict.fromkeys(due, at))
    return due


def _load(pk: int) -> Confirmation:
    return Confirmation.objects.select_related("quote__account", "quote__incoming").get(pk=pk)


def _again(confirmation: Confirmation, prices: Prices) -> bool:
    pk = confirmation.pk
    rows = Confirmation.objects.select_related("quote__account", "quote__incoming")
    with transaction.atomic():
        account_lock(confirmation.quote)
        confirmation = rows.select_for_update(of=("self",)).get(pk=pk)
        now = utc_now()
        is_waiting = confirmation.state == ConfirmationState.OPEN and not confirmation.decision
        if not is_waiting or now >= confirmation.send_by:
            return False
        side = Outcome(confirmation.accepted_side) if confirmation.accepted_side else None
        look = look_at(confirmation.quote, side=side, contracts=confirmation.contracts, prices=prices, now=now)
        made = checks(look)
        failing = first_failure(made)
        deadline = Deadline(confirmation.accepted_at, confirmation.window_ends_at, confirmation.send_by)
        changes = auto_verdict(failing.name if failing else "", deadline, now=now)
        if "decision" not in changes:
            return False
        seen = {"checks": [check.as_json() for check in made], "inputs": {**confirmation.inputs, "look": to_json(look)}}
        Confirmation.objects.filter(pk=pk).update(version=F("version") + 1, **seen, **changes)
        confirmation.refresh_from_db()
        hand_over(confirmation)
        told(confirmation, "rfq.confirm.looked_again", heard_data(confirmation))
    return True
