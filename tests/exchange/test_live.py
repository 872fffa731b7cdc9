import threading
import time
from types import SimpleNamespace

import msgspec
import pytest
from django.db import transaction

from apps.exchange import live
from tests.support.redis import RedisProcess


@pytest.fixture
def heard(live_redis):
    """Messages of the live channel, decoded, as a hub would get them."""
    channel = live_redis.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(live.CHANNEL)
    channel.get_message(timeout=60)  # that we listen

    def read(count=1):
        messages = []
        deadline = time.monotonic() + 90
        while len(messages) < count and time.monotonic() < deadline:
            message = channel.get_message(timeout=0.05)
            if message:
                messages.append(live.decode_message(message["data"]))
        return messages

    yield read
    channel.close()


@pytest.fixture
def dead_redis(tmp_path_factory, settings):
    """A server that runs until the test stops it; the outage's memory is clean before and after."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="desk-r-") as folder:
        process = RedisProcess(Path(folder))
        process.start()
        settings.REDIS_URL = process.url
        live._outage = live._Outage()
        yield process
        process.stop()
        live._outage = live._Outage()


def test_a_frame_is_published_and_kept_for_whoever_comes_later(heard, live_redis):
    assert live.publish("book:paper:M", {"state": "live"})

    ((topic, version, frame),) = heard()[0]
    assert (topic, frame) == ("book:paper:M", {"state": "live"})
    assert live.state_read("book:paper:M") == (version, {"state": "live"})


def test_versions_rise_strictly_over_threads_and_are_times(monkeypatch):
    monkeypatch.setattr(live, "_last_version", 0)  # another test's clock may have gone ahead
    begun_ms = time.time_ns() // 1_000_000
    seen = []

    def draw():
        for _ in range(2_000):
            seen.append(live.next_version())

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(seen)) == 8_000
    # At most one version ahead of the clock for each that was drawn.
    assert begun_ms <= live.next_version() // 1_000 <= time.time_ns() // 1_000_000 + 9
    assert live.next_version() < live.next_version()


def test_rows_without_a_version_get_the_frames_and_rows_that_are_gone_are_removed(heard, live_redis):
    live.publish_rows("tickers:paper", {"A": {"bid": "0.10"}, "B": {"v": 7, "bid": None}}, kept=True)
    live.publish_rows("tickers:paper", {"B": None}, kept=True)

    first, second = heard(2)
    topic, version, frame = first[0]
    assert topic == "tickers:paper"
    assert frame["rows"] == {"A": {"v": version, "bid": "0.10"}, "B": {"v": 7, "bid": None}}
    assert second[0][2] == {"rows": {"B": None}}
    assert live.rows_read("tickers:paper") == {"A": {"v": version, "bid": "0.10"}}


def test_rows_that_are_all_there_are_replace_what_browsers_have_also_when_there_is_none(heard, live_redis):
    live.publish_rows("fix:1", {"A": {"v": 1}}, is_all=True)
    live.publish_rows("fix:1", {}, is_all=True)
    live.publish_rows("fix:1", {})

    first, second = heard(2)
    assert first[0][2] == {"rows": {"A": {"v": 1}}, "all": True}
    assert second[0][2] == {"rows": {}, "all": True}


def test_money_goes_out_as_a_decimal_string(heard, live_redis):
    from decimal import Decimal

    live.publish("balance:1", {"cash": Decimal("12.50")})

    assert heard()[0][0][2] == {"cash": "12.50"}


@pytest.mark.django_db(transaction=True)
def test_a_frame_of_a_transaction_goes_out_after_the_commit_and_never_after_a_rollback(heard, live_redis):
    with transaction.atomic():
        live.publish_on_commit("balance:1", {"n": 1})
        transaction.set_rollback(True)
    state = {"n": 2}
    with transaction.atomic():
        live.publish_on_commit("balance:1", lambda: dict(state))
        live.publish_on_commit("orders:1", rows={"k": {"v": 3}})
        assert live.state_read("balance:1") is None
        state["n"] = 4

    messages = heard(2)

    assert [(topic, frame) for ((topic, _, frame),) in messages] == [
        ("balance:1", {"n": 4}),
        ("orders:1", {"rows": {"k": {"v": 3}}}),
    ]


def test_redis_down_breaks_nobody_is_logged_once_and_is_left_alone_for_a_moment(dead_redis, caplog, monkeypatch):
    assert live.publish("book:paper:M", {"n": 1})
    dead_redis.stop()

    now, tries = [5.0], []
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now[0], time_ns=time.time_ns))
    reach = live.redis_client
    monkeypatch.setattr(live, "redis_client", lambda: tries.append(now[0]) or reach())
    answers = [live.publish("book:paper:M", {"n": number}) for number in range(1_000)]

    assert not any(answers)
    assert tries == [5.0]
    now[0] += live._Outage.RETRY_SECONDS
    assert not live.publish("book:paper:M", {"n": 2})
    assert tries == [5.0, now[0]]
    assert live.state_read("book:paper:M") is None
    assert live.rows_read("tickers:paper") == {}
    assert live.heartbeat_ms("paper") is None
    assert sum("not reaching Redis" in record.message for record in caplog.records) == 1


def test_publishing_works_again_when_redis_is_back(dead_redis):
    dead_redis.stop()
    assert not live.publish("book:paper:M", {"n": 1})
    dead_redis.start()

    deadline = time.monotonic() + 90
    while not live.publish("book:paper:M", {"n": 2}):
        assert time.monotonic() < deadline

    state = live.state_read("book:paper:M")
    assert state is not None
    assert state[1] == {"n": 2}


def test_what_nobody_maintains_any_more_is_forgotten(live_redis):
    live.publish("book:paper:M", {"n": 1})

    live.state_forget(["book:paper:M"])

    assert live.state_read("book:paper:M") is None


def test_a_message_that_is_not_ours_is_refused():
    with pytest.raises(msgspec.DecodeError):
        live.decode_message(b'{"topic": 1}')


@pytest.mark.django_db(transaction=True)
def test_a_frame_that_was_read_earlier_never_has_the_newer_version(monkeypatch):
    """Two processes publish the same topic: one reads, stands still, and is overtaken by the other's newer state."""
    sent = []
    monkeypatch.setattr(live, "publish", lambda topic, frame, version=None: sent.append((version, frame["left"])))
    state = {"left": 1}

    def slow():
        read = dict(state)
        state["left"] = 0
        live.publish_on_commit("trading:1", lambda: dict(state))  # the other process: reads and publishes meanwhile
        return read

    live.publish_on_commit("trading:1", slow)

    assert max(sent) == (max(version for version, _ in sent), 0)
