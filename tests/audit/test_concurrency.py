"""Many writers, one chain."""

import threading

import pytest
from django.db import connection, transaction

from apps.audit.models import AuditEntry
from apps.audit.services import record, verify

WRITERS, EACH = 4, 15


@pytest.mark.django_db(transaction=True)
def test_writers_in_parallel_leave_one_unbroken_chain() -> None:
    start, errors = threading.Barrier(WRITERS), []

    def write(writer: int) -> None:
        try:
            start.wait(timeout=90)
            for number in range(EACH):
                with transaction.atomic():
                    record("orders.intent.submitted", actor_id=None, desk_id=7, data={"w": writer, "n": number})
        except Exception as exc:
            errors.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)

    assert errors == []
    assert verify(7).is_intact
    assert AuditEntry.objects.filter(desk_id=7).count() == WRITERS * EACH
