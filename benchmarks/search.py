"""What search costs over a million orders: a page at any depth, filters with and without an index, and whole exports.

    .venv/bin/python -m benchmarks.search [--orders 1000000] [--pages 200] [--data FOLDER]

Real parts: the desk's tables and indexes by its migrations, its selectors, the page as the browser gets it, and the
exports as they are streamed. SQLite in a folder of its own, or what DATABASE_URL names (its tables are filled: give it
an empty database). Nothing runs beside it.

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
    parser.add_argument("--formats", default="csv,parquet,xlsx")
    return parser.parse_args()


def django_in(folder: Path) -> None:
    os.environ.setdefault("DESK_SECRET_KEY", "benchmark-only-key-that-signs-nothing-else-0123456789")
    os.environ["DESK_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "kalshi_desk.settings.test"
    folder.mkdir(parents=True, exist_ok=True)
    import django
    from django.conf import settings

    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill_tables(orders: int) -> Any:
    """Return the actor; store orders once, every tenth of them placed with a ticket."""
    from django.db import connection

    from apps.accounts.models import ExchangeAccount, User
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
    return actor_of(person), account


# --- pages ----------------------------------------------------------------------------------------


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def line(what: str, taken: list[float], plain: list[float] | None = None) -> None:
    taken = sorted(taken)
    p50, p95 = statistics.median(taken), taken[int(len(taken) * 0.95) - 1]
    text = f"{what:<46} p50 {p50:8.1f} ms   p95 {p95:8.1f} ms"
    if plain:
        other = sorted(plain)
        slow = other[int(len(other) * 0.95) - 1]
        text += f"   by OFFSET p95 {slow:8.1f} ms: {p95 / slow:.3f} of it"
    print(text)


def measure_pages(actor: Any, account: Any, orders: int, pages: int) -> None:
    from apps.accounts.models import User
    from apps.history.search import walk
    from apps.history.search.choice import choice_from
    from tests.support.people import client_of

    draw = random.Random(11)
    places = [draw.randrange(orders) for _ in range(pages)]
    cursors = [walk.Cursor(NOW - timedelta(days=200) * place / orders, orders - place + 1) for place in places]
    plain = choice_from({"account": str(account.pk)}, zone="UTC")
    plan = walk._plan(actor, plain)

    def by_offset(place: int) -> Any:
        return list(walk._rows(plan, plan.branches[0], None)[place : place + 101])

    def page(choice: Any, after: Any = None) -> Any:
        return walk.search_page(actor, choice, after=after)

    page(plain), by_offset(0)
    keyset = [timed(lambda after=after: page(plain, after)) for after in cursors]
    offset = [timed(lambda place=place: by_offset(place)) for place in places[: max(20, pages // 8)]]
    line("any page of all orders (100 rows)", keyset, offset)
    browser = client_of(User.objects.get(username="benchmark"))
    html = [
        timed(lambda after=after: browser.get("/history/search/", {"account": str(account.pk), "after": str(after)}))
        for after in cursors[: max(20, pages // 4)]
    ]
    line("the same as the browser gets it, HTML", html)
    searches: dict[str, dict[str, str]] = {
        "one market": {"q": "KXBENCH03-26OCT-T61"},
        "state and side": {"state": "executed", "side": "yes"},
        "a subaccount and large sizes": {"subaccount": "3", "size_from": "499"},
        "a series of few orders, looked through": {"q": "KXBENCH1"},
        "a day": {"from": "2026-06-01", "to": "2026-06-01"},
        "an order id": {"id": f"{orders // 3:032x}"},
    }
    for what, typed in searches.items():
        choice = choice_from({"account": str(account.pk), **typed}, zone="UTC")
        line(what, [timed(lambda after=after, choice=choice: page(choice, after)) for after in cursors[:40]])
    for what, typed in {"": {}, " of a state and side": searches["state and side"]}.items():
        count_of(actor, choice_from({"account": str(account.pk), **typed}, zone="UTC"), what)


def count_of(actor: Any, choice: Any, what: str) -> None:
    """Count everything as the page does: part after part."""
    from apps.history.search import walk

    parts: list[float] = []
    rows, after = 0, None
    while not parts or after is not None:
        start = time.perf_counter()
        counted = walk.search_count(actor, choice, after=after)
        parts.append((time.perf_counter() - start) * 1000)
        rows, after = rows + counted.rows, counted.next
    name = f"count{what}: {rows:,} rows"
    print(f"{name:<46} {len(parts)} parts, {sum(parts):8.1f} ms in all, {max(parts):8.1f} ms at most")


# --- exports --------------------------------------------------------------------------------------


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def drained(chunks: Iterator[bytes]) -> tuple[float, float, float, int]:
    """Return seconds, MB resident at first and at most, bytes."""
    start, first, most, size = time.perf_counter(), resident_mb(), 0.0, 0
    for number, chunk in enumerate(chunks):
        size += len(chunk)
        if number % 50 == 0:
            most = max(most, resident_mb())
    return time.perf_counter() - start, first, max(most, resident_mb()), size


def bare_dump(actor: Any, choice: Any) -> Iterator[bytes]:
    """One cursor over the same columns, straight into a CSV writer: nothing is written as people read it."""
    from django.db import connection

    from apps.history.search import walk

    plan = walk._plan(actor, choice)
    sql, parameters = walk._rows(plan, plan.branches[0], None).query.sql_with_params()
    with connection.chunked_cursor() if connection.vendor == "postgresql" else connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(1_000):
            text = io.StringIO()
            csv.writer(text).writerows(rows)
            yield text.getvalue().encode()


def measure_exports(actor: Any, account: Any, formats: list[str]) -> None:
    from django.db import transaction

    from apps.history.exports.services import FORMATS, search_export
    from apps.history.search.choice import choice_from
    from apps.orders.models import Order

    choice = choice_from({"account": str(account.pk)}, zone="UTC")
    rows = Order.objects.filter(account=account).count()
    with transaction.atomic():
        seconds, *_ = drained(bare_dump(actor, choice))
    bare = rows / seconds
    print(f"{'bare dump by one cursor':<46} {bare:10,.0f} rows/s")
    for form in formats:
        make = FORMATS[form][1]
        table = search_export(actor, choice, form=form)
        seconds, first, most, size = drained(make(table))
        print(
            f"{form:<46} {rows / seconds:10,.0f} rows/s, {rows / seconds / bare:.2f} of the bare dump, "
            f"{size / 1e6:,.0f} MB; resident {first:.0f} -> {most:.0f} MB"
        )


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        django_in(options.data or Path(temporary))
        actor, account = fill_tables(options.orders)
        if options.only != "exports":
            measure_pages(actor, account, options.orders, options.pages)
        if options.only != "pages":
            measure_exports(actor, account, options.formats.split(","))


if __name__ == "__main__":
    main()
