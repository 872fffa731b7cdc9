import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache

from apps.core import ports
from apps.core.timestamps import utc_now
from apps.exchange.clients import clients_forget
from apps.exchange.gateway import lease
from apps.exchange.gateway.lease import lease_release, lease_take
from apps.exchange.gateway.market_feed import COMBOS, WORDS
from apps.markets import services as markets_services
from apps.markets.models import Market
from apps.orders.models import Order
from tests.support.database import copy_migrated
from tests.support.desk import PATIENCE, ROOT, eventually
from tests.support.gateway import (
    kept,
    live_book,
    need,
    paper_account,
    paper_book,
    paper_call,
    paper_order,
    running_gateway,
    use_paper,
)
from tests.support.paper import start_paper

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.xdist_group("gateway")]


@pytest.fixture(scope="module")
def paper_process(tmp_path_factory):
    """One exchange for all of these tests, each of which has markets of its own; its start takes a second."""
    running = start_paper(tmp_path_factory.mktemp("paper"), "--no-bots", "--markets", "60")
    yield running
    running.stop()


_used = itertools.count()


@pytest.fixture
def desk(paper_process, live_redis, settings, tmp_path, monkeypatch):
    """An account of the first trader, the catalogue synced, and nobody connected yet."""
    use_paper(settings, paper_process)
    names = [name for name, member in paper_process.members.items() if "write" in member["scopes"]]
    account = paper_account(paper_process, names[0], folder=tmp_path, settings=settings)
    cache.clear()
    markets_services.catalogue_sync("paper")
    # The apps' own readings have tests of their own.
    monkeypatch.setattr(ports, "reconcilers", [])
    yield account, names
    clients_forget()


def tickers(count):
    """Markets that no test before this one had."""
    active = list(Market.objects.filter(status="active").order_by("ticker").values_list("ticker", flat=True))
    return [active[next(_used)] for _ in range(count)]


def same_levels(frame, book):
    return frame["yes"] == book["yes"] and frame["no"] == book["no"]


def test_a_book_that_somebody_looks_at_is_the_exchanges_and_follows_it(desk, paper_process, live_redis):
    _, names = desk
    ticker = tickers(1)[0]

    with running_gateway():
        need(live_redis, f"book:paper:{ticker}")
        first = live_book(live_redis, ticker)
        assert same_levels(first, paper_book(paper_process, names[0], ticker))

        paper_order(paper_process, names[0], ticker, "bid", "0.0200", "7.00")
        paper_order(paper_process, names[1], ticker, "ask", "0.9800", "5.00")

        def follows():
            return same_levels(kept(live_redis, f"book:paper:{ticker}"), paper_book(paper_process, names[0], ticker))

        eventually(follows, what="the book with both orders")
        frame = kept(live_redis, f"book:paper:{ticker}")
        assert ["0.0200", "7.00"] in frame["yes"]
        assert ["0.0200", "5.00"] in frame["no"]


def test_a_trade_reaches_the_tape_and_the_tickers(desk, paper_process, live_redis):
    _, names = desk
    ticker = tickers(1)[0]

    with running_gateway():
        need(live_redis, f"book:paper:{ticker}", f"tape:paper:{ticker}")
        live_book(live_redis, ticker)
        paper_order(paper_process, names[0], ticker, "bid", "0.4200", "3.00")
        paper_order(paper_process, names[1], ticker, "ask", "0.4200", "3.00")

        def newest_trade():
            # The tape begins with older trades, read by REST; ours is the one of 3 contracts at 42 cents.
            tape = kept(live_redis, f"tape:paper:{ticker}")
            newest = tape["trades"][0] if tape and tape["trades"] else {}
            return newest if (newest.get("price"), newest.get("count")) == ("0.4200", "3.00") else None

        trade = eventually(newest_trade, what="the trade on the tape")

        assert trade["side"] == "no"
        row = eventually(lambda: live_redis.hget("desk:rows:tickers:paper", ticker), what="the ticker's row")
        assert b'"status":"active"' in row


def test_a_lost_frame_makes_the_book_stale_at_once_and_right_again(desk, paper_process, live_redis):
    _, names = desk
    ticker = tickers(1)[0]

    with running_gateway():
        need(live_redis, f"book:paper:{ticker}")
        live_book(live_redis, ticker)
        listener = live_redis.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("desk:live")
        paper_process.control("POST", "/ws/fault", {"kind": "drop", "channel": "orderbook_delta"})
        paper_order(paper_process, names[0], ticker, "bid", "0.0200", "7.00")
        paper_order(paper_process, names[0], ticker, "bid", "0.0300", "4.00")
        seen = []

        def went_stale():
            while message := listener.get_message(timeout=0.01):
                if f"book:paper:{ticker}".encode() in message["data"]:
                    seen.append(message["data"])
            return any(b'"state":"stale"' in data and WORDS["gap"].encode() in data for data in seen)

        # Because of the gap, and not of its age, which says so seconds later.
        eventually(went_stale, what="a stale frame")
        frame = eventually(lambda: _live_with(live_redis, ticker, ["0.0200", "7.00"]), what="the resynced book")
        assert same_levels(frame, paper_book(paper_process, names[0], ticker))
        listener.close()


def _live_with(redis, ticker, level):
    frame = kept(redis, f"book:paper:{ticker}")
    return frame if frame and frame["state"] == "live" and level in frame["yes"] else None


def test_a_market_that_nobody_needs_any_more_is_let_go_with_its_frames(desk, live_redis):
    one, other = tickers(2)

    with running_gateway() as gateway:
        need(live_redis, f"book:paper:{one}", f"book:paper:{other}")
        live_book(live_redis, one)
        live_book(live_redis, other)
        live_redis.zadd("desk:interest", {f"book:paper:{one}": time.time_ns() // 1_000_000 - 61_000})

        board = gateway.markets["paper"].feed.board
        eventually(lambda: board.tickers == {other}, what="the end of the first book")

        eventually(lambda: kept(live_redis, f"book:paper:{one}") is None, what="the end of its frame")
        assert kept(live_redis, f"book:paper:{other}")["state"] == "live"


def test_a_market_with_own_working_orders_is_kept_although_nobody_looks(desk, live_redis):
    account, _ = desk
    own = tickers(1)[0]
    order = Order.objects.create(
        account=account,
        order_id="own-order",
        ticker=own,
        book_side="bid",
        price=Decimal("0.10"),
        initial_count=1,
        remaining_count=1,
        status=Order.Status.RESTING,
        seen_at=utc_now(),
        source="rest",
    )

    with running_gateway() as gateway:
        live_book(live_redis, own)
        order.status = Order.Status.CANCELED
        order.save()

        eventually(lambda: not gateway.markets["paper"].feed.board.tickers, what="the end of its book")


def test_a_ticker_that_does_not_exist_is_refused_in_words_and_harms_nobody(desk, live_redis):
    ticker = tickers(1)[0]

    with running_gateway():
        need(live_redis, "book:paper:NO-SUCH-MARKET", f"book:paper:{ticker}")
        live_book(live_redis, ticker)

        frame = eventually(lambda: kept(live_redis, "book:paper:NO-SUCH-MARKET"), what="the refusal")

        assert frame["state"] == "down"
        assert "catalogue" in frame["why"]


def test_a_cut_connection_is_said_and_comes_back_by_itself(desk, paper_process, live_redis):
    _, names = desk
    ticker = tickers(1)[0]

    with running_gateway():
        need(live_redis, f"book:paper:{ticker}")
        live_book(live_redis, ticker)
        listener = live_redis.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("desk:live")
        paper_process.control("POST", "/ws/close", {"abort": True})

        def said_down():
            while message := listener.get_message(timeout=0.01):
                if b'"state":"down"' in message["data"]:
                    return True
            return False

        eventually(said_down, what="a frame that says down")
        paper_order(paper_process, names[0], ticker, "bid", "0.0200", "7.00")
        eventually(lambda: _live_with(live_redis, ticker, ["0.0200", "7.00"]), what="the book after the reconnect")
        listener.close()


def test_accounts_are_read_anew_after_each_connect_of_their_private_channels(
    desk, paper_process, live_redis, monkeypatch
):
    account, _ = desk
    read = []
    monkeypatch.setattr(ports, "reconcilers", [read.append])

    with running_gateway() as gateway:
        eventually(lambda: read, what="the first reading")
        session = gateway.accounts[account.pk].feed._session
        assert all(session.is_subscribed(channel) for channel in ("fill", "user_orders", "market_positions"))
        before = len(read)
        paper_process.control("POST", "/ws/close", {"abort": True})

        eventually(lambda: len(read) > before, what="the reading after the reconnect")
        assert set(read) == {account.pk}


def test_private_messages_reach_the_apps_in_order(desk, paper_process, live_redis, monkeypatch):
    account, names = desk
    ticker = tickers(1)[0]
    seen = []
    monkeypatch.setattr(ports, "reconcilers", [])
    monkeypatch.setattr(
        ports,
        "feed_handlers",
        {
            kind: [lambda context, messages, kind=kind: seen.extend((kind, context.account_id, m) for m in messages)]
            for kind in ("fill", "user_order", "market_position")
        },
    )

    with running_gateway() as gateway:
        eventually(lambda: account.pk in gateway.accounts, what="the account's feed")
        session = gateway.accounts[account.pk].feed._session
        eventually(lambda: session.is_subscribed("user_orders") and session.is_subscribed("fill"), what="subscription")
        paper_order(paper_process, names[0], ticker, "bid", "0.4200", "3.00")
        paper_order(paper_process, names[1], ticker, "ask", "0.4200", "3.00")

        eventually(lambda: {"fill", "user_order"} <= {kind for kind, _, _ in seen}, what="order and fill")

    states = [message.status for kind, _, message in seen if kind == "user_order"]
    assert states[0] == "resting"
    assert {one for _, one, _ in seen} == {account.pk}


def test_the_life_of_combos_is_followed_and_new_events_of_others_are_not_read(
    desk, paper_process, live_redis, monkeypatch
):
    _, names = desk
    seen = []
    monkeypatch.setattr(
        ports,
        "feed_handlers",
        {
            kind: [lambda context, messages, kind=kind: seen.extend((kind, message) for message in messages)]
            for kind in (COMBOS, "event_lifecycle")
        },
    )
    with running_gateway() as gateway:
        eventually(lambda: "paper" in gateway.markets, what="the feed of markets")
        session = gateway.markets["paper"].feed.session
        eventually(lambda: session.is_subscribed(COMBOS), what="subscription")
        listed = paper_call(paper_process, names[0], "GET", "/multivariate_event_collections?status=open&limit=1")
        [collection] = listed["multivariate_contracts"]
        chosen = []
        for rule in collection["associated_events"][:2]:
            event = paper_call(paper_process, names[0], "GET", f"/events/{rule['ticker']}")
            market = event["markets"][0]["ticker"]
            chosen.append({"market_ticker": market, "event_ticker": rule["ticker"], "side": "yes"})
        path = f"/multivariate_event_collections/{collection['collection_ticker']}"
        made = paper_call(paper_process, names[0], "POST", path, {"selected_markets": chosen})

        eventually(lambda: seen, what="the new combo")

    # Its event was told before it.
    assert [(kind, message.market_ticker) for kind, message in seen] == [(COMBOS, made["market_ticker"])]


def test_status_heartbeat_and_limits_are_published(desk, live_redis):
    account, _ = desk

    with running_gateway():
        begun = time.time() * 1000

        def is_told():
            frame = kept(live_redis, "status:paper")
            return frame and frame["feed"] == "live" and frame["feed_ms"] >= begun

        eventually(is_told, what="a live status that is renewed")
        eventually(lambda: int(live_redis.get("desk:heartbeat:paper") or 0) >= begun, what="a heartbeat")
        limits = eventually(lambda: kept(live_redis, f"limits:{account.pk}"), what="the token gauges")
        assert limits["read"]["capacity"] >= limits["read"]["tokens"] > 0

    assert live_redis.get("desk:heartbeat:paper") is None


def test_an_account_that_is_switched_off_loses_its_connections_and_a_new_one_gets_them(desk, live_redis):
    account, _ = desk

    with running_gateway() as gateway:
        eventually(lambda: account.pk in gateway.accounts, what="the account's feed")
        account.is_active = False
        account.save()
        eventually(lambda: not gateway.accounts and not gateway.markets, what="the end of the feeds")
        account.is_active = True
        account.save()

        eventually(lambda: account.pk in gateway.accounts and "paper" in gateway.markets, what="the feeds again")


def test_a_second_gateway_waits_until_the_first_has_ended(desk, live_redis, monkeypatch):
    account, _ = desk
    # However long the machine pauses, it does not run out in this test.
    monkeypatch.setattr(lease, "LEASE", timedelta(hours=1))

    with running_gateway() as first:
        eventually(lambda: account.pk in first.accounts, what="the first gateway's feeds")
        with running_gateway() as second:
            for _ in range(5):
                assert not second.accounts
                assert not lease_take("a third one")


def test_a_lease_that_ran_out_is_taken_over():
    now = utc_now()
    assert lease_take("a", now=now)
    assert lease_take("a", now=now + timedelta(seconds=5))
    assert not lease_take("b", now=now + timedelta(seconds=10))
    assert lease_take("b", now=now + timedelta(seconds=12))
    lease_release("a")
    assert not lease_take("c", now=now + timedelta(seconds=12))


def test_frames_are_published_again_after_redis_was_emptied(desk, live_redis):
    ticker = tickers(1)[0]

    with running_gateway():
        need(live_redis, f"book:paper:{ticker}")
        live_book(live_redis, ticker)
        live_redis.flushall()
        need(live_redis, f"book:paper:{ticker}")

        live_book(live_redis, ticker)


@pytest.fixture
def installation(tmp_path, redis_url):
    """The environment of the commands of a fresh installation without accounts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DESK_")}
    values = {
        "DESK_SECRET_KEY": "only-for-a-gateway-in-a-test-0123456789",
        "DESK_DATA": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.base",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'desk.sqlite3'}",
        "REDIS_URL": redis_url,
    }
    environment = kept | values
    copy_migrated(tmp_path / "desk.sqlite3")
    return environment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_after_a_signal_and_frees_the_lease(installation, tmp_path, number):
    log = tmp_path / "gateway.log"

    def leases():
        with closing(sqlite3.connect(tmp_path / "desk.sqlite3", timeout=PATIENCE)) as database:
            return database.execute("SELECT count(*) FROM exchange_gatewaylease").fetchone()[0]

    with log.open("w") as stderr:
        process = subprocess.Popen([sys.executable, "manage.py", "gateway"], cwd=ROOT, env=installation, stderr=stderr)
    try:
        eventually(lambda: "holds the lease" in log.read_text(), what="the gateway's start")
        assert leases() == 1
        process.send_signal(number)

        assert process.wait(PATIENCE) == 0
        assert leases() == 0  # the next one need not wait for it to run out
    finally:
        process.kill()
        process.wait()
