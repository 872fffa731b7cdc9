"""Requests of others that alert rules ask for: matched in the stream's thread, stored seldom, never our own."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError

from apps.core.ports import FeedContext
from apps.core.timestamps import format_rfc3339, to_unix_ms
from apps.rfq.models import Rfq, StreamHit
from apps.rfq.services import requests, watches
from apps.rfq.services.filters import Criteria
from apps.rfq.services.stream_publish import StreamPublisher
from apps.rfq.services.watches import Watch
from tests.rfq.scene import Scene
from tests.rfq.test_stream import NOW, combo, created
from tests.rfq.test_stream import Arrivals as Heard

LATER = watches.HELD + timedelta(seconds=1)
Rows = list[tuple[int, str, int]]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watch]:
    wanted: list[Watch] = []
    monkeypatch.setattr(watches, "providers", [lambda: wanted])
    return wanted


def tick(publisher: StreamPublisher, *messages: Any, after: timedelta = timedelta(), clock: float = 0.0) -> None:
    heard = Heard()
    heard.created(FeedContext(0, "paper", to_unix_ms(NOW)), list(messages))
    publisher.tick(heard.take() if messages else {}, now=NOW + after, clock=clock)


def hits() -> Rows:
    return list(StreamHit.objects.order_by("pk").values_list("watch", "rfq_id", "count"))


def test_a_request_is_matched_by_criteria_market_leg_and_worth(scene: Scene, watched: list[Watch]) -> None:
    account, desk_id = scene.place.account, scene.place.desk.pk
    watched += [
        Watch(1, desk_id, account),
        Watch(2, desk_id, account, Criteria(combos="only")),
        Watch(3, desk_id, account, tickers=("KXLEG",)),
        Watch(4, desk_id, account, least=Decimal(200)),
        Watch(5, desk_id, account, Criteria(min_contracts=Decimal(500))),
    ]
    publisher = StreamPublisher()
    tick(publisher, created("small"), created("big", contracts_fp="150.00"), combo("legs", "KXLEG-1", "KXOTHER-1"))
    assert hits() == []  # held until the answers of our own requests are stored
    tick(publisher, after=LATER)

    # Each once: how many, and the largest. A cost bounds no contracts.
    assert sorted(hits()) == [(1, "legs", 3), (2, "legs", 1), (3, "legs", 1), (4, "legs", 1), (5, "legs", 1)]
    row = StreamHit.objects.get(watch=3)
    assert (row.legs, row.target_cost, row.contracts, row.environment) == (2, Decimal(250), None, account.environment)


def test_however_many_match_a_row_is_stored_seldom(scene: Scene, watched: list[Watch]) -> None:
    watched.append(Watch(7, scene.place.desk.pk, scene.place.account))
    publisher = StreamPublisher()
    seconds = 45
    for second in range(seconds):
        tick(
            publisher,
            *(created(f"r{second}-{number}") for number in range(20)),
            after=timedelta(seconds=second),
            clock=float(second),
        )
    publisher.leave()

    rows = hits()
    assert len(rows) <= seconds / watches.PACE.total_seconds() + 2
    assert sum(count for _, _, count in rows) == 20 * seconds, "each is counted once"


def test_a_database_that_is_away_loses_nothing_and_stops_nobody(
    scene: Scene, watched: list[Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.append(Watch(7, scene.place.desk.pk, scene.place.account))
    publisher = StreamPublisher()
    tick(publisher, created("first"))

    def away(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(StreamHit.objects, "bulk_create", away)
        patched.setattr(watches, "providers", [away])
        tick(publisher, created("second"), after=LATER, clock=2 * watches.READ_EVERY_S)
    assert hits() == []
    tick(publisher, after=2 * LATER, clock=2 * watches.READ_EVERY_S)

    assert [count for _, _, count in hits()] == [2]


def test_our_own_requests_and_old_ones_are_no_news(scene: Scene, watched: list[Watch]) -> None:
    watched.append(Watch(7, scene.place.desk.pk, scene.place.account))
    own = requests.rfq_submit(scene.quoter, scene.ask())
    Rfq.objects.filter(pk=own.pk).update(rfq_id="ours", created_at=NOW)
    old = format_rfc3339(NOW - timedelta(minutes=5))
    publisher = StreamPublisher()
    tick(publisher, created("ours"), created("old", created_ts=old), created("theirs", created_ts=format_rfc3339(NOW)))
    tick(publisher, after=LATER)

    assert hits() == [(7, "theirs", 1)]


def test_what_is_watched_is_read_anew_and_one_that_changed_begins_anew(scene: Scene, watched: list[Watch]) -> None:
    publisher = StreamPublisher()
    tick(publisher, created("before"))
    watched.append(Watch(7, scene.place.desk.pk, scene.place.account))
    tick(publisher, created("between"), clock=watches.READ_EVERY_S - 1)
    tick(publisher, created("after"), clock=watches.READ_EVERY_S)
    watched[0] = Watch(7, scene.place.desk.pk, scene.place.account, least=Decimal(10**6))
    tick(publisher, created("too small"), after=LATER, clock=3 * watches.READ_EVERY_S)
    tick(publisher, after=2 * LATER, clock=3 * watches.READ_EVERY_S)

    assert hits() == []


def test_what_is_too_many_to_watch_is_said_once(
    scene: Scene, watched: list[Watch], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watches, "MOST", 2)
    watched += [Watch(number, scene.place.desk.pk, scene.place.account) for number in (1, 2, 3)]
    publisher = StreamPublisher()
    tick(publisher, created("first"))
    tick(publisher, after=LATER, clock=2 * watches.READ_EVERY_S)

    assert sorted(number for number, _, _ in hits()) == [1, 2]
    assert [one.getMessage() for one in caplog.records if one.name == watches.__name__] == [
        "1 rules on requests are not watched: 2 at most"
    ]
