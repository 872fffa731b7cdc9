import asyncio
import threading

import pytest

from apps.core import ports
from apps.core.ports import FeedContext
from apps.exchange.gateway.inbox import Inbox, handle
from apps.exchange.gateway.threads import Threads

A = FeedContext(1, "paper", 10)
B = FeedContext(2, "paper", 11)


@pytest.fixture
def handlers(monkeypatch):
    registered = {}
    monkeypatch.setattr(ports, "feed_handlers", registered)
    return registered


@pytest.mark.django_db
def test_neighbours_of_one_kind_and_account_are_handled_together_and_in_order(handlers):
    calls = []
    handlers["fill"] = [lambda context, messages: calls.append(("fill", context.account_id, messages))]
    handlers["user_order"] = [lambda context, messages: calls.append(("order", context.account_id, messages))]

    failed = handle([("fill", A, 1), ("fill", A, 2), ("user_order", A, 3), ("fill", A, 4), ("fill", B, 5)])

    assert calls == [("fill", 1, [1, 2]), ("order", 1, [3]), ("fill", 1, [4]), ("fill", 2, [5])]
    assert failed == set()


@pytest.mark.django_db
def test_a_handler_that_fails_costs_its_account_a_reading_and_nobody_else_anything(handlers):
    calls = []

    def broken(context, messages):
        raise ValueError("bug")

    handlers["fill"] = [broken, lambda context, messages: calls.append(messages)]
    handlers["user_order"] = [lambda context, messages: calls.append(messages)]

    failed = handle([("fill", A, 1), ("user_order", B, 2)])

    assert failed == {1}
    assert calls == [[1], [2]]


@pytest.mark.django_db(transaction=True)
def test_a_full_inbox_drops_the_newest_asks_for_a_reading_and_handles_the_rest_in_order(handlers):
    seen, lost, go, done = [], [], threading.Event(), threading.Event()

    def slow(context, messages):
        assert go.wait(90)
        seen.extend(messages)
        if len(seen) == 5:
            done.set()

    handlers["fill"] = [slow]

    async def scenario():
        threads = Threads()
        inbox = Inbox(threads, on_loss=lost.append, capacity=5)
        running = asyncio.create_task(inbox.run())
        for number in range(8):
            inbox.put("fill", A, number)
        inbox.put("nobody_handles_this", A, 99)
        assert lost == [1, 1, 1]
        go.set()
        assert await asyncio.to_thread(done.wait, 90)
        running.cancel()
        threads.stop()
        threads.join()

    asyncio.run(scenario())

    assert seen == [0, 1, 2, 3, 4]
