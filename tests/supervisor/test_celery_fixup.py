"""A worker's database connection outlives its tasks, and a broken one does not."""

import threading
from collections.abc import Callable

from django.db import connection, connections

from kalshi_desk.celery import app
from kalshi_desk.celery_fixup import DeskFixup, KeepsConnections


def in_a_worker_thread(run: Callable[[], None]) -> None:
    failed: list[BaseException] = []

    def body() -> None:
        try:
            run()
        except BaseException as exc:
            failed.append(exc)
        finally:
            connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def worker_fixup() -> KeepsConnections:
    found = next(one for one in app._fixups if isinstance(one, DeskFixup)).worker_fixup
    assert isinstance(found, KeepsConnections)
    return found


def test_a_connection_outlives_a_task(db: None) -> None:
    def run() -> None:
        connection.ensure_connection()
        opened = connection.connection

        worker_fixup().on_task_prerun(sender=app.tasks["apps.orders.tasks.order_send"])
        worker_fixup().on_task_postrun(sender=app.tasks["apps.orders.tasks.order_send"])

        assert opened is not None
        assert connection.connection is opened

    in_a_worker_thread(run)


def test_a_connection_that_is_too_old_is_closed(db: None) -> None:
    closed: list[bool] = []

    def run() -> None:
        connection.ensure_connection()
        connection.close_at = 0.0
        connection.close = lambda: closed.append(True)  # type: ignore[method-assign]
        try:
            worker_fixup().on_task_postrun(sender=app.tasks["apps.orders.tasks.order_send"])
        finally:
            del connection.close

    in_a_worker_thread(run)

    assert closed == [True]


def test_it_is_the_only_fixup() -> None:
    assert [type(one) for one in app._fixups] == [DeskFixup]
