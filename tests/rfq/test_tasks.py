"""RELIABILITY F13: every task of the RFQ desk twice, an hour late, or for a row that does not exist."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from celery import current_app
from django.db import models

from apps.paper.testing import DECI
from apps.rfq import tasks
from apps.rfq.models import Accept, Confirmation, Quote, ReceivedQuote, Rfq
from apps.rfq.services import (
    accepts_send,
    confirm_apply,
    confirm_send,
    confirmations,
    look_again,
    quotes_send,
    requests_send,
)
from tests.rfq.window import Window, window

__all__ = ["window"]
ROWS: tuple[tuple[type[models.Model], tuple[str, ...]], ...] = (
    (Rfq, ("state", "rfq_id")),
    (ReceivedQuote, ("state", "quote_id")),
    (Accept, ("state",)),
    (Quote, ("state", "quote_id")),
    (Confirmation, ("state", "decision", "attempts")),
)
WITH_IDS = {
    "rfq_send": Rfq,
    "rfq_close": Rfq,
    "rfq_resolve": Rfq,
    "accept_send": Accept,
    "accept_resolve": Accept,
    "quote_send": Quote,
    "quote_pull": Quote,
    "quote_resolve": Quote,
    "confirm_send": Confirmation,
    "confirm_look": Confirmation,
}
# What else is queued: by name alone, or tested with what it needs (combos, incoming requests).
ALONE = {"own_quotes_sync", "rfq_sweep", "rfq_markouts", "accounts_rfqs_read"}
ELSEWHERE = {"combo_resolve", "incoming_read", "account_rfqs_sync"}


@pytest.fixture
def writes(window: Window, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests that change something at the exchange, by method and path."""
    seen: Counter[str] = Counter()
    handle = window.scene.paper.transport.handle_request

    def counting(request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            seen[f"{request.method} {request.url.path}"] += 1
        return handle(request)

    monkeypatch.setattr(window.scene.paper.transport, "handle_request", counting)
    return seen


@pytest.fixture
def busy(window: Window) -> Window:
    """One of each: a request with a quote that was taken, and a quote of ours that was confirmed."""
    scene = window.scene
    rfq = scene.request()
    quote_id = scene.quote(rfq, "0.30", "0.60")
    scene.hear()
    scene.accept(rfq, quote_id, "yes", "0.40")
    window.accepted(ticker=DECI)
    scene.work()
    return window


def deliver(window: Window) -> None:
    """Every message that could be in a queue, in one go."""
    for name, model in WITH_IDS.items():
        for pk in [*model._default_manager.values_list("pk", flat=True), 987_654]:
            try:
                getattr(tasks, name)(pk)
            except models.ObjectDoesNotExist:
                assert pk == 987_654, name
    for name in sorted(ALONE):
        getattr(tasks, name)()
    tasks.account_rfqs_sync(window.scene.place.account.pk)


def believed() -> list[Any]:
    return [sorted(model._default_manager.values_list("pk", *columns)) for model, columns in ROWS]


def test_each_task_is_delivered_here() -> None:
    named = {name.rsplit(".", 1)[1] for name in current_app.tasks if name.startswith("apps.rfq.tasks.")}

    assert named == WITH_IDS.keys() | ALONE | ELSEWHERE


def test_f13_every_message_three_times_is_every_message_once(busy: Window, writes: Counter[str]) -> None:
    before = believed()
    writes.clear()

    for _ in range(3):
        deliver(busy)
        busy.scene.queued.clear()

    assert believed() == before
    assert writes == {}


def test_f13_an_hour_late_nothing_is_made_taken_or_confirmed(
    window: Window, writes: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = window.scene
    rfq = scene.request()
    quote_id = scene.quote(rfq, "0.30", "0.60")
    scene.hear()
    waiting = window.accepted(ticker=DECI)
    scene.accept(rfq, quote_id, "yes", "0.40")
    scene.queued.clear()
    assert waiting.state == "confirming"
    writes.clear()
    hour = timedelta(hours=1)
    for module in (accepts_send, confirm_apply, confirm_send, confirmations, look_again, quotes_send, requests_send):
        if hasattr(module, "utc_now"):
            now = module.utc_now

            def later(now: Any = now) -> datetime:
                return now() + hour  # type: ignore[no-any-return]

            monkeypatch.setattr(module, "utc_now", later)

    deliver(window)
    scene.queued.clear()

    made = {key for key in writes if key.startswith(("POST", "PUT"))}
    assert made == set()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == ("missed", 0)
