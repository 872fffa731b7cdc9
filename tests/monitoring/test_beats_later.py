"""Signs of life and leases are told again within seconds: they do not hold the write lock while the disk works."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from apps.core.durability import is_later
from apps.core.timestamps import utc_now
from apps.exchange.gateway.lease import lease_take as gateway_lease_take
from apps.fix.lease import lease_take
from apps.fix.models import FixLease
from apps.monitoring import tasks
from apps.monitoring.models import Beat

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="a server flushes by its own rules"),
]


@pytest.fixture
def written() -> Iterator[list[tuple[str, bool]]]:
    """(table and statement, whether its commit waits for no disk)."""
    found: list[tuple[str, bool]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        word = sql.split()[0]
        if word in ("INSERT", "UPDATE"):
            table = next(one for one in ("lease", "beat") if one in sql.lower())
            found.append((f"{word} {table}", is_later()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


def test_a_sign_of_life_waits_for_no_disk(written: list[tuple[str, bool]]) -> None:
    tasks.queue_beat.run("orders", 0)

    assert written
    assert all(later for _, later in written)
    assert Beat.objects.count() == 1


def test_a_renewed_lease_waits_for_no_disk_and_a_new_holders_fence_does(written: list[tuple[str, bool]]) -> None:
    assert lease_take("k", "a") == 1
    first = written[:]
    written.clear()
    assert lease_take("k", "a") == 1

    assert ("INSERT lease", False) in first
    assert written == [("UPDATE lease", True)]
    FixLease.objects.update(expires_at=utc_now())
    written.clear()
    assert lease_take("k", "b") == 2
    assert written[-1] == ("UPDATE lease", False)


def test_the_gateways_lease_is_renewed_without_the_disk(written: list[tuple[str, bool]]) -> None:
    assert gateway_lease_take("a")
    written.clear()
    assert gateway_lease_take("a")

    assert written == [("UPDATE lease", True)]
