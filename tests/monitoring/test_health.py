"""Health with the reason, the probes, and the figures for Prometheus."""

import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import DatabaseError
from django.test import Client

from apps.core.timestamps import utc_now
from apps.exchange.models import ExchangeStatus, GatewayLease
from apps.fix.models import FixSession
from apps.monitoring import health, jobs, tasks
from apps.monitoring.models import Beat
from apps.orders import lane
from apps.orders.models import AccountSync, OrderIntent, TradingPause
from apps.orders.services import intent_submit
from apps.vault.signer.errors import SignerAway
from tests.orders.conftest import Place, make_ticket
from tests.support.people import make_account, make_desk
from tests.support.redis import redis_process, redis_url

__all__ = ["redis_process", "redis_url"]


def part(name: str, **values: Any) -> health.Part:
    found = {one.name: one for one in health.parts(**values)}
    return found[name]


def test_a_gateway_whose_lease_ran_out_is_named_with_the_time(place: Place) -> None:
    assert part("gateway").level == "danger"
    now = utc_now()
    GatewayLease.objects.create(name="gateway", holder="one", expires_at=now + timedelta(seconds=6))

    assert part("gateway", now=now).level == "ok"
    late = part("gateway", now=now + timedelta(minutes=1))
    assert late.level == "danger"
    assert f"since {now + timedelta(seconds=6):%H:%M:%S}" in late.why


def test_a_queue_that_nobody_takes_from_is_said(place: Place) -> None:
    assert part("queue_urgent").level == "warning"

    tasks.queue_beat("urgent", 0)
    now = Beat.objects.get(name="urgent").at
    assert part("queue_urgent", now=now).level == "warning"  # it waited since 1970
    Beat.objects.update(waited_ms=12)

    assert part("queue_urgent", now=now).level == "ok"
    gone = part("queue_urgent", now=now + timedelta(minutes=5))
    assert (gone.level, gone.why) == ("danger", "no worker has taken anything for 5 min")


def test_a_signer_that_does_not_answer_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "signer" not in {one.name for one in health.parts()}  # where workers sign themselves
    monkeypatch.setattr(jobs.remote, "ping", lambda: None)
    jobs.signer_beat()
    now = Beat.objects.get(name="signer").at
    assert part("signer", now=now).level == "ok"

    def away() -> None:
        raise SignerAway("The signer is away. Nothing was sent.")

    monkeypatch.setattr(jobs.remote, "ping", away)
    jobs.signer_beat()

    gone = part("signer", now=now + timedelta(minutes=2))
    assert (gone.level, gone.why) == ("danger", "it has not answered for 2 min: nothing can be signed")


def test_what_is_on_a_short_way_counts_as_waiting(place: Place, redis_url: str, settings: Any) -> None:
    settings.REDIS_URL = redis_url
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.lpush(lane.ORDERS.list, b"1", b"2")
        client.lpush(lane.CONFIRMS.list, b"3")
        try:
            assert (part("queue_orders").value, part("queue_urgent").value) == (2, 1)
        finally:
            client.flushall()


def test_a_beat_of_no_queue_is_not_kept(place: Place) -> None:
    tasks.queue_beat("nonsense", 0)

    assert not Beat.objects.exists()


@pytest.mark.parametrize(("offset", "level"), [(20, "ok"), (-1_500, "warning"), (40_000, "danger"), (None, "warning")])
def test_the_clock_is_judged_by_its_offset(place: Place, offset: int | None, level: str) -> None:
    ExchangeStatus.objects.create(environment="paper", clock_offset_ms=offset, checked_at=utc_now())

    assert part("clock_paper").level == level


def test_a_sync_that_is_late_or_failed_says_why(place: Place) -> None:
    name = f"sync_{place.account.pk}"
    now = utc_now()
    assert part(name).level == "warning"
    sync = AccountSync.objects.create(account=place.account, finished_at=now)

    assert part(name, now=now).level == "ok"
    assert part(name, now=now + timedelta(minutes=5)).level == "warning"
    assert part(name, now=now + timedelta(minutes=20)).level == "danger"
    sync.error = "the exchange said no"
    sync.save()
    assert "the exchange said no" in part(name, now=now).why


def test_an_order_in_doubt_for_long_is_counted(place: Place) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    now = utc_now()
    OrderIntent.objects.filter(pk=intent.pk).update(state="unknown", claimed_at=now - timedelta(minutes=2))

    found = part(f"doubt_{place.account.pk}", now=now)

    assert (found.level, found.value) == ("warning", 1)


def test_a_halted_fix_session_is_danger_with_its_own_words(place: Place) -> None:
    row = FixSession.objects.create(
        account=place.account, kind="nr", is_wanted=True, state="halted", state_text="three bad signatures"
    )

    found = part(f"fix_{row.pk}")

    assert found.level == "danger"
    assert "three bad signatures" in found.why


def test_a_pause_and_a_kill_are_seen(place: Place) -> None:
    assert part("trading").level == "ok"
    values = {"desk": place.desk, "scope": "desk", "set_by_id": place.trader.user_id, "set_at": utc_now()}
    TradingPause.objects.create(**values)
    assert part("trading").level == "warning"
    TradingPause.objects.create(**values, level="kill")

    assert part("trading").level == "danger"


def test_one_desk_does_not_hear_of_another(place: Place) -> None:
    make_account(make_desk("Rival"), name="Rival's book")

    assert not [one for one in health.parts(place.desk.pk) if "Rival" in one.label]


def test_no_database_is_one_part_and_not_ready(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(health.connection, "cursor", gone)
        found = health.parts()
        answer = Client().get("/health/ready")
        alive = Client().get("/health/live")

    assert found[0].level == "danger"
    assert {one.name for one in found} == {"database", "redis", "disk"}
    assert (answer.status_code, answer.content) == (503, b"not ready: database\n")
    assert alive.status_code == 200


# --- metrics --------------------------------------------------------------------------------------

LINE = re.compile(r"(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+=\"[^\"]*\"\})? -?\d+)")


def test_every_line_of_the_metrics_is_in_the_format(place: Place) -> None:
    intent_submit(place.trader, make_ticket(place))

    answer = Client().get("/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert 'desk_part_level{part="gateway"} 2' in lines
    assert 'desk_intents{state="committed"} 1' in lines
    assert place.account.name not in answer.content.decode()


def test_metrics_are_for_this_machine_or_for_the_token(place: Place, settings: Any) -> None:
    assert Client(REMOTE_ADDR="192.0.2.7").get("/metrics").status_code == 404
    assert Client().get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 404

    settings.METRICS_TOKEN = "scraper-token-of-some-length"

    assert Client().get("/metrics").status_code == 404
    far = Client(REMOTE_ADDR="192.0.2.7", headers={"Authorization": "Bearer scraper-token-of-some-length"})
    assert far.get("/metrics").status_code == 200
    wrong = Client(headers={"Authorization": "Bearer scraper-token-of-some-lengtH"})
    assert wrong.get("/metrics").status_code == 404
