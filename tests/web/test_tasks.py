"""The log of SQLite is moved into the database by a task, not by the commit that somebody waits for."""

import pytest
from django.db import connection

from apps.accounts.models import Desk
from apps.web.tasks import database_checkpoint


@pytest.mark.django_db(transaction=True)
def test_the_log_is_moved() -> None:
    Desk.objects.create(name="One")

    assert database_checkpoint() == 0
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_autocheckpoint")
            assert cursor.fetchone() == (8000,)
