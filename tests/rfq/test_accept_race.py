"""RELIABILITY E6, a thousand times: two people take quotes of one request in the same millisecond, one accept each.

On SQLite here, on PostgreSQL with DATABASE_URL (docs/testing.md). Each person is a thread with a connection of its own
that submits, then plays a worker that sends whatever accept there is; what reached the exchange is counted.
"""

import os
import threading
import time
import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.db import connections

from apps.accounts.models import Membership
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.services import accepts
from apps.rfq.services.accepts_send import accept_send
from tests.rfq.scene import SOON
from tests.rfq.window import Window, window

__all__ = ["window"]
pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

RUNS = 1_000
# Seconds: the nearest clicks of all runs. Two threads that share one core are never as near as on two.
APART = 0.001 if len(os.sched_getaffinity(0)) > 1 else 0.01
PATIENCE = 120


def requests_with_two_quotes(window: Window) -> list[int]:
    """One real request with two real quotes, and copies of it: rows alone decide who takes."""
    scene = window.scene
    rfq = scene.request(scene.quoter)
    scene.quote(rfq, "0.30", "0.60")
    scene.quote(rfq, "0.31", "0.61", by="trader-2")
    scene.hear()
    quotes = list(ReceivedQuote.objects.filter(rfq=rfq).order_by("pk"))
    assert len(quotes) == 2
    made = []
    for number in range(RUNS):
        copy = Rfq.objects.get(pk=rfq.pk)
        copy.pk, copy.rfq_id, copy.idempotency_key = None, f"copy-{number}", uuid.uuid4()
        copy.save(force_insert=True)
        for place, quote in enumerate(quotes):
            twin = ReceivedQuote.objects.get(pk=quote.pk)
            twin.pk, twin.rfq_id, twin.quote_id = None, copy.pk, f"copy-{number}-{place}"
            twin.changed_at = utc_now() - timedelta(minutes=1)
            twin.save(force_insert=True)
        made.append(copy.pk)
    return made


class Clicker(threading.Thread):
    """One person, or one's colleague, at their own screen."""

    def __init__(self, actor: Actor, place: int, price: Decimal, rfqs: list[int], gate: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.actor, self.place, self.price, self.rfqs, self.gate = actor, place, price, rfqs, gate
        self.said: list[str] = []
        self.at: list[float] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for number, pk in enumerate(self.rfqs):
                rfq = Rfq.objects.select_related("account").get(pk=pk)
                self.gate.wait(PATIENCE)
                self.at.append(time.monotonic())
                self.said.append(self._click(rfq, f"copy-{number}-{self.place}"))
                self.gate.wait(PATIENCE)
                for accept_pk in Accept.objects.filter(rfq_id=pk).values_list("pk", flat=True):
                    accept_send(accept_pk)
        except BaseException as exc:
            self.failure = exc
            self.gate.abort()
        finally:
            connections.close_all()

    def _click(self, rfq: Rfq, quote_id: str) -> str:
        try:
            accepts.accept_submit(
                self.actor,
                rfq,
                quote_id=quote_id,
                buys=Outcome.YES,
                price_seen=self.price,
                idempotency_key=uuid.uuid4(),
                now=utc_now() + SOON,
            )
        except DeskError as exc:
            return exc.code
        return "taken"


def test_e6_two_people_in_the_same_millisecond_make_one_accept_a_thousand_times(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = window.scene
    Membership.objects.filter(user_id=scene.other.user_id).update(roles=["quoter", "lead"])
    colleague = replace(scene.other, roles=frozenset({"quoter", "lead"}))  # may take what others asked for
    rfqs = requests_with_two_quotes(window)
    sent: Counter[str] = Counter()
    handle = scene.paper.transport.handle_request

    def counting(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/accept"):
            sent[request.url.path.split("/")[-2].rpartition("-")[0]] += 1
        return handle(request)

    monkeypatch.setattr(scene.paper.transport, "handle_request", counting)
    gate = threading.Barrier(2)
    people = [
        Clicker(scene.quoter, 0, Decimal("0.40"), rfqs, gate),
        Clicker(colleague, 1, Decimal("0.39"), rfqs, gate),
    ]

    for one in people:
        one.start()
    for one in people:
        one.join(3_000)
        assert not one.is_alive()

    assert [one.failure for one in people] == [None, None]
    pairs = Counter(tuple(sorted(pair)) for pair in zip(*(one.said for one in people), strict=True))
    assert pairs == {("accept_taken", "taken"): RUNS}
    assert Accept.objects.count() == RUNS
    assert set(Accept.objects.values_list("rfq_id", flat=True)) == set(rfqs)
    assert sent == {f"copy-{number}": 1 for number in range(RUNS)}  # each once, whichever thread sent it
    apart = [abs(first - second) for first, second in zip(*(one.at for one in people), strict=True)]
    assert min(apart) < APART, f"no two clicks were within {APART} s of each other"
