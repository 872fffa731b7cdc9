"""Append to and verify a chain of many entries, and note and compare its head outside of the database.

    .venv/bin/python -m benchmarks.audit [--entries 1000000] [--batch 500]

Real parts: the desk's services, its settings of SQLite (or DATABASE_URL), a folder of its own. Appending one by one,
each in a transaction of its own with its flush, is what a click pays: the first 1,000 entries are made so. The rest are
appended `--batch` to a transaction: the same work without the flush. Verifying walks all of them.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
ONE_BY_ONE = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description="append and verify the trail")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-audit-") as folder:
        os.environ |= {"DESK_DATA": folder, "DESK_SECRET_KEY": "benchmark-only-" * 5, "DESK_LOG": "WARNING"}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")
        run(options.entries, options.batch)


def run(entries: int, batch: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import transaction

    from apps.audit import witness
    from apps.audit.services import record

    def append(number: int) -> None:
        data = {"ticker": "KXBENCH-26JAN01-T1", "price": "0.5600", "count": "10.00", "n": number}
        record("orders.intent.submitted", actor_id=None, desk_id=1, target=f"order_intent:{number}", data=data)

    call_command("migrate", interactive=False, verbosity=0)
    alone = min(ONE_BY_ONE, entries)
    took: list[float] = []
    for number in range(alone):
        began = time.perf_counter()
        append(number)
        took.append(time.perf_counter() - began)
    took.sort()
    print(
        f"append, one transaction each: median {statistics.median(took) * 1e3:.2f} ms, "
        f"p99 {took[int(alone * 0.99)] * 1e3:.2f} ms ({alone} entries)"
    )
    began = time.perf_counter()
    for first in range(alone, entries, batch):
        with transaction.atomic():
            for number in range(first, min(first + batch, entries)):
                append(number)
    spent = time.perf_counter() - began
    if entries > alone:
        print(f"append, {batch} to a transaction: {(entries - alone) / spent:,.0f} a second")
    began = time.perf_counter()
    witness.heads_note()
    print(f"note the head: {(time.perf_counter() - began) * 1e3:.1f} ms")
    began = time.perf_counter()
    found = witness.check(1)
    spent = time.perf_counter() - began
    assert found.is_intact, found.problem
    assert (found.entries, found.witnessed) == (entries, 1)
    print(f"verify {entries:,} entries: {spent:.1f} s, {entries / spent:,.0f} a second")


if __name__ == "__main__":
    main()
