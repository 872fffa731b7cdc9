"""One desk for all histories of a test process, and a quiet log: refused and lost calls are the point."""

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.faults import place as places
from tests.orders.conftest import Place
from tests.support.database import copy_migrated

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="package")
def place(django_db_blocker: Any) -> Iterator[Place]:
    """A desk in a database file of its own, with real commits; histories empty it themselves.

    In memory where there is such a folder: no power is cut here, and a history is a thousand commits.
    """
    with django_db_blocker.unblock(), tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        if connection.vendor != "sqlite":
            pytest.skip("histories run on SQLite: they empty the tables that they use")
        original = connection.settings_dict["NAME"]
        connection.close()
        connection.settings_dict["NAME"] = f"{folder}/desk.sqlite3"
        try:
            copy_migrated(Path(folder) / "desk.sqlite3")
            yield places.build()
        finally:
            connection.close()
            connection.settings_dict["NAME"] = original


def _fast_folder() -> Path | None:
    return MEMORY if os.access(MEMORY, os.W_OK) else None


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
