"""Part of fix.py: what needs the desk's database. Reports as far as the ledger, and orders by FIX beside REST."""

import asyncio
import logging
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.fix.engine.codec import Framer, Message

WAIT = 60.0
PRICE = Decimal("0.02")


@contextmanager
def desk() -> Iterator[Path]:
    """A desk's settings and an empty database in a folder of its own; nobody looks at a page, no broker, no Redis."""
    with tempfile.TemporaryDirectory(prefix="fix-benchmark-") as name:
        folder = Path(name)
        os.environ |= {"DESK_DATA": name, "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.base"}
        os.environ.setdefault("DESK_SECRET_KEY", "benchmark-only-" * 4)
        import django

        django.setup()
        from django.core.management import call_command

        from apps.exchange import live
        from apps.orders import queue

        call_command("migrate", verbosity=0)
        queue.enqueue = lambda *_, **__: True
        live.publish = live.publish_rows = lambda *_, **__: None  # type: ignore[assignment]
        yield folder


def ledger_steps(account_id: int, prices: Any) -> Callable[[list[bytes]], int]:
    """Bytes to orders, fills and execution ids, in the batches in which a session hands them over."""
    from apps.fix import ingest
    from apps.fix.applier import BATCH

    def run(stream: list[bytes]) -> int:
        framer, done, batch = Framer(), 0, []
        for chunk in stream:
            for one in framer.feed(chunk):
                if isinstance(one, Message):
                    batch.append(one)
                if len(batch) == BATCH:
                    done += ingest.reports_apply(account_id, batch, prices=prices, kind="rt").applied
                    batch = []
        return done + ingest.reports_apply(account_id, batch, prices=prices, kind="rt").applied

    return run


def ledger_empty() -> None:
    from apps.fix.models import FixExecution
    from apps.history.models import Sighting
    from apps.orders.models import Fill, Order

    for model in (FixExecution, Sighting, Fill, Order):
        model.objects.all().delete()


def an_account(name: str) -> Any:
    from apps.accounts.models import Desk
    from tests.support.people import make_account

    known = Desk.objects.first()
    if known is None:
        from tests.support.people import make_desk

        known = make_desk()
    return make_account(known, name=name)


# --- orders by FIX and by REST --------------------------------------------------------------------


def orders_side_by_side(folder: Path, count: int) -> dict[str, list[float]]:
    """Return milliseconds from the sender's claim to the stored answer, by way; the two take turns."""
    from django.conf import settings

    from apps.fix import runner, services
    from apps.fix.models import FixSession
    from apps.fix.routes import route_set
    from apps.orders.models import AccountSync
    from apps.orders.services import cancel_send, cancel_submit, intent_send, intent_submit
    from tests.orders.conftest import Place, make_market, make_ticket, make_trade_key
    from tests.support.gateway import paper_call, use_paper
    from tests.support.paper import start_paper
    from tests.support.people import actor_of, make_key, make_person, vault_in
    from tests.support.redis import RedisProcess

    (folder / "redis").mkdir()
    redis = RedisProcess(folder / "redis")
    redis.start()
    settings.REDIS_URL = redis.url
    logging.disable(logging.ERROR)
    paper = start_paper(folder / "paper", "--no-bots", "--markets", "3")
    try:
        settings.FIX_ENDPOINTS = {"paper": {"file": str(paper.data / "paper.json")}}
        settings.EXCHANGE_ENVIRONMENTS = ["paper"]
        use_paper(settings, paper)
        vault_in(folder, settings)
        by_fix, by_rest = an_account("by FIX"), an_account("by REST")
        desk_row = by_fix.desk
        admin, operator, trader = (
            actor_of(make_person(desk_row, role)) for role in ("vault-admin", "operator", "trader")
        )
        for account, member, purpose in ((by_fix, "trader-1", "fix_nr"), (by_rest, "trader-2", "rest_trade")):
            known = paper.members[member]
            secret = Path(known["private_key_path"]).read_bytes()
            make_key(admin, account, key_id=known["key_id"], scopes=("read", "write"), secret=secret, purpose=purpose)
        make_trade_key(by_fix)
        session = services.session_define(operator, by_fix.pk, "nr")
        services.session_start(operator, session.pk, why="a benchmark")
        route_set(operator, by_fix.pk, "nr", why="a benchmark")
        from datetime import timedelta

        from apps.core.timestamps import utc_now

        AccountSync.objects.create(account=by_fix, finished_at=utc_now() + timedelta(hours=1))
        ticker = paper_call(paper, "trader-1", "GET", "/markets?status=open&limit=1")["markets"][0]["ticker"]
        market = make_market(ticker=ticker)
        took: dict[str, list[float]] = {"FIX": [], "REST": []}
        with _sessions(runner):
            _until(lambda: FixSession.objects.get(pk=session.pk).state == "logged_on", "the logon")
            for number in range(count + 3):
                for way, account in (("FIX", by_fix), ("REST", by_rest)):
                    place = Place(desk_row, account, trader, trader, market)
                    intent = intent_submit(trader, make_ticket(place, ticker=ticker, price=PRICE, count=Decimal(1)))
                    began = time.perf_counter()
                    intent_send(intent.pk)
                    spent = (time.perf_counter() - began) * 1000
                    intent.refresh_from_db()
                    if intent.state != "acked":
                        raise RuntimeError(f"{way}: {intent.state} {intent.error_text}")
                    if number >= 3:
                        took[way].append(spent)
                    cancel_send(cancel_submit(trader, intent.order, idempotency_key=uuid.uuid4()).pk)
                    time.sleep(0.15)  # the lowest tier pays for ten orders a second
        return took
    finally:
        paper.stop()
        redis.stop()
        shutil.rmtree(folder / "paper", ignore_errors=True)


@contextmanager
def _sessions(runner: Any) -> Iterator[None]:
    from apps.exchange.gateway.threads import Threads

    held: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        threads = Threads()
        held["threads"], held["loop"] = threads, asyncio.get_running_loop()
        held["job"] = asyncio.create_task(runner.sessions_job(threads))
        ready.set()
        await asyncio.wait([held["job"]])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fix-benchmark")
    thread.start()
    ready.wait(WAIT)
    try:
        yield
    finally:
        held["loop"].call_soon_threadsafe(held["job"].cancel)
        thread.join(WAIT)
        held["threads"].join()


def _until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"{what} did not come")
        time.sleep(0.05)


def told(took: dict[str, list[float]]) -> str:
    lines = []
    for way, found in took.items():
        ordered = sorted(found)
        p90 = ordered[int(len(ordered) * 0.9)]
        lines.append(f"order by {way:5} p50 {statistics.median(found):6.1f} ms   p90 {p90:6.1f} ms   ({len(found)})")
    return "\n".join(lines)
