"""What search costs over a million orders: a page at any depth, filters with and without an index, and whole exports.

    .venv/bin/python -m benchmarks.search [--orders 1000000] [--pages 200] [--data FOLDER]

Real parts: the desk's tables and indexes by its migrations, its selectors, the page as the browser gets it, and the
exports as they are streamed. SQLite in a folder of its own, or what DATABASE_URL names (its tables are filled: give it an empty
database). Nothing runs beside it.

Printed: ms per page (p50, p95) beside the same page by OFFSET, in one run on one connection; rows/s and memory of each
export beside a bare dump of the same columns by one cursor. The dump writes what SQL holds, the export what people
read: decimals, times, names, and no cell that a spreadsheet would run.
"""

import argparse
import csv
import io
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
NOW = datetime(2026, 11, 1, tzinfo=UTC)
MARKETS = 400
CHUNK = 20_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--data", type=Path, help="keep the data here, and use it again")
    parser.add_argument("--only", choices=("pages", "exports"))
    return parser.parse_args()


def django_in(folder: Path) -> None:
    os.environ.setdefault("DESK_SECRET_KEY", "benchmark-only-key-that-signs-nothing-else-0123456789")
    os.environ["DESK_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "kalshi_desk.settings.test"
    folder.mkdir(parents=True, exist_ok=True)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill_tables(orders: int) -> Any:
    """Return the actor; store orders once, every tenth of them placed with a ticket."""
    from django.db import connection

    from apps.accounts.models import ExchangeAccount, User
    from apps.core.timestamps import to_unix_ms
    from apps.orders.models import Order
    from tests.support.people import actor_of, make_account, make_desk, make_person

    if Order.objects.count() >= orders:
        account = ExchangeAccount.objects.get(name="Benchmark")
        return actor_of(User.objects.get(username="benchmark")), account
    desk = make_desk()
    person = make_person(desk, "analyst", username="benchmark")
    account = make_account(desk, name="Benchmark")
    draw = random.Random(7)
    first = NOW - timedelta(days=200)
    step = timedelta(days=200) / orders
    is_sqlite = connection.vendor == "sqlite"
    if is_sqlite:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=OFF")
    names = (
        "account_id, order_id, client_order_id, subaccount, ticker, book_side, price, initial_count, filled_count, "
        "remaining_count, fill_cost, fees, status, order_group_id, created_at, updated_at, seen_at, source, version"
    )
    marks = ", ".join(["%s"] * 19)

    def lines(start: int, end: int) -> Iterator[tuple[Any, ...]]:
        for number in range(start, end):
            at = first + number * step
            moment: Any = at.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite else at
            price, count = draw.randint(1, 99) * 100, draw.randint(1, 500) * 100
            done = draw.random() < 0.6
            market = int(draw.expovariate(1 / 40)) % MARKETS
            yield (
                account.pk,
                f"{number:032x}",
                "",
                number % 4,
                f"KXBENCH{market // 20:02d}-26OCT-T{market}",
                "bid" if number % 2 else "ask",
                price,
                count,
                count if done else 0,
                0,
                price * count if done else 0,
                17 * count if done else 0,
                "executed" if done else "canceled" if number < orders - 500 else "resting",
                "",
                moment if number % 50 else None,
                moment,
                moment,
                "rest" if number % 3 else "ws",
                1,
            )

    from django.db import transaction

    for start in range(0, orders, CHUNK):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO orders_order ({names}) VALUES ({marks})", list(lines(start, min(start + CHUNK, orders)))
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"stored {orders:,} orders at {to_unix_ms(datetime.now(UTC)) % 10**6}")
    return actor_of(person), account
