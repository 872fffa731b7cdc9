"""Celery's handling of Django, with database connections that outlive a task.

Celery closes every connection before and after each task. A worker that sends an order then opens the database
anew while the order waits: 2-4 ms on SQLite, more with a server and TLS. Django's own rule is used instead: a
connection is closed when it is old (`CONN_MAX_AGE`) or an error has left it unusable.
"""

from typing import Any

from celery import Celery
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup
from django.db import close_old_connections


class KeepsConnections(DjangoWorkerFixup):  # type: ignore[misc]
    def close_database(self, **kwargs: Any) -> None:
        """Called before and after each task, in the thread that runs it."""
        close_old_connections()


class DeskFixup(DjangoFixup):  # type: ignore[misc]
    _worker_fixup: DjangoWorkerFixup | None

    @property
    def worker_fixup(self) -> DjangoWorkerFixup:
        if self._worker_fixup is None:
            self._worker_fixup = KeepsConnections(self.app)
        return self._worker_fixup

    @worker_fixup.setter
    def worker_fixup(self, value: DjangoWorkerFixup) -> None:
        self._worker_fixup = value


def fixup(app: Celery) -> DeskFixup:
    found: DeskFixup = DeskFixup(app).install()
    return found
