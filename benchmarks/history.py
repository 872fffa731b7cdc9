"""The sync of a member's fills from the paper exchange, as a share of bare paging with a bulk upsert, and its memory.

    .venv/bin/python -m benchmarks.history [--fills 100000] [--slice 10]

Real parts: a paper exchange in a process of its own, loopback HTTP, signed requests, the desk's walker with its doors,
an SQLite file with the desk's settings. The bare way pages the same listing with httpx, turns each row into the same
model with exact decimals, and inserts it unless it is known, a page in a transaction: no checks, no joining to orders,
no cursor kept. Both go in turns, some pages each, so that a busy machine slows both. The orders of the fills are synced
before, by the desk, and are not part of either figure.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

API = "/trade-api/v2"
PAGE = 1000


def start_paper(folder: Path, port: int, fills: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "paper", "--data", str(folder), "--port", str(port), "--no-bots"]
    command += ["--history-fills", str(fills), "--history-subaccounts", "10"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    import httpx

    end = time.monotonic() + 1800  # a million fills are made before it answers
    while time.monotonic() < end:
        assert process.poll() is None, "the paper exchange did not start"
        try:
            httpx.get(f"http://127.0.0.1:{port}{API}/exchange/status", timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the paper exchange does not answer")


def member_of(folder: Path) -> dict[str, Any]:
    """Return name, key id and private key of trader-1 as the exchange wrote them down."""
    told = json.loads((folder / "paper.json").read_text())
    found: dict[str, Any] = next(one for one in told["members"] if one["name"] == "trader-1")
    return found | {"control_url": told["control_url"]}


class Spent:
    """Rows, wall time and CPU time of one of the two ways."""

    def __init__(self) -> None:
        self.rows, self.wall, self.cpu = 0, 0.0, 0.0

    def measure(self, step: Any) -> bool:
        wall, cpu = time.perf_counter(), time.process_time()
        rows = step()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        self.rows += rows or 0
        return rows is not None


def bare_pages(client: Any, signer: Any, account_id: int) -> Iterator[int]:
    """Page and store; yield after each page how many rows it had."""
    from django.db import transaction

    from apps.core.timestamps import parse_rfc3339, utc_now
    from apps.orders.models import Fill

    cursor = ""
    while True:
        path = f"{API}/historical/fills"
        headers = signer.headers("GET", path, time.time_ns() // 1_000_000)
        body = client.get(path, params={"limit": PAGE} | ({"cursor": cursor} if cursor else {}), headers=headers).json()
        now = utc_now()
        rows = [
            Fill(
                account_id=account_id,
                trade_id=one["trade_id"],
                order_id_text=one["order_id"],
                subaccount=one["subaccount_number"],
                ticker=one["ticker"],
                book_side=one["book_side"],
                yes_price=Decimal(one["yes_price_dollars"]),
                count=Decimal(one["count_fp"]),
                is_taker=one["is_taker"],
                fee=Decimal(one["fee_cost"]),
                traded_at=parse_rfc3339(one["created_time"]),
                seen_at=now,
                source="rest",
            )
            for one in body["fills"]
        ]
        with transaction.atomic():
            Fill.objects.bulk_create(rows, ignore_conflicts=True)
        yield len(rows)
        cursor = body.get("cursor") or ""
        if not cursor:
            return


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def run(fills: int, in_turn: int, folder: Path, paper: Path, port: int) -> int:
    import httpx
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from apps.accounts import services as accounts
    from apps.exchange import live
    from apps.exchange.wire.client import ExchangeClient
    from apps.history.models import DataSet, SyncState
    from apps.history.sync import passes, walk
    from apps.orders.models import Fill
    from apps.vault.signing import KeySigner

    known = member_of(paper)
    httpx.post(f"{known['control_url']}/member", json={"member": "trader-1", "tier": "prime", "refill": True})
    signer = KeySigner.from_pem(
        key_id=known["key_id"], pem=Path(known["private_key_path"]).read_text(), scopes=("read", "write")
    )
    client = ExchangeClient([f"http://127.0.0.1:{port}"], signer, None)
    # The vault, the shared limiter and the browsers are not what is measured.
    for module, name, stand_in in (
        (walk, "client_for", lambda account_id, *, write: client),
        (walk, "environment_client", lambda environment: client),
        (live, "publish_rows", lambda *args, **over: True),
    ):
        setattr(module, name, stand_in)
    desk = accounts.desk_create("Benchmark", slug="benchmark")
    synced = accounts.account_add(desk, environment="paper", name="synced")
    bare = accounts.account_add(desk, environment="paper", name="bare")
    states = {name: SyncState.objects.create(account=synced, data_set=name) for name in (DataSet.ORDERS, DataSet.FILLS)}

    def steps(state: SyncState) -> Iterator[int]:
        passes.pass_start(state)
        while not walk.has_read_all(state):
            before = state.rows_read
            walk.page_walk(state)
            yield state.rows_read - before

    orders = sum(steps(states[DataSet.ORDERS]))
    print(f"{orders} orders synced, {rss_mb():.0f} MB")
    desk_way, bare_way = Spent(), Spent()
    plain = httpx.Client(base_url=f"http://127.0.0.1:{port}")
    walks = [
        (desk_way, steps(states[DataSet.FILLS])),
        (bare_way, bare_pages(plain, signer, bare.pk)),
    ]
    memory: list[float] = []
    going = True
    while going:
        going = False
        for spent, pages in walks:
            for _ in range(in_turn):
                if not spent.measure(lambda pages=pages: next(pages, None)):
                    break
                going = True
        if desk_way.rows >= (len(memory) + 1) * fills // 10 or not memory:
            memory.append(rss_mb())
    for account in (synced, bare):
        count = Fill.objects.filter(account=account).count()
        assert count == fills, f"{count} of {fills} fills are stored"
    assert not Fill.objects.filter(account=synced, order=None).exists()
    for name, spent in (("desk", desk_way), ("bare", bare_way)):
        print(
            f"{name}: {spent.rows} fills, {spent.rows / spent.wall:,.0f} rows/s "
            f"({spent.wall:.1f} s, {spent.cpu:.1f} s of CPU)"
        )
    print(f"share: {bare_way.wall / desk_way.wall:.2f} of wall time, {bare_way.cpu / desk_way.cpu:.2f} of CPU time")
    print("memory, MB, at each tenth: " + " ".join(f"{one:.0f}" for one in memory))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fills", type=int, default=100_000, help="a multiple of ten; 1000000 takes many minutes")
    parser.add_argument("--slice", type=int, default=10, help="pages in turn")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="history-") as name:
        folder = Path(name)
        os.environ["DESK_DATA"] = str(folder / "desk")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")
        os.environ.setdefault("DESK_SECRET_KEY", "benchmark-only-" * 4)
        (folder / "desk").mkdir()
        import django

        django.setup()
        from tests.support.desk import free_port

        port = free_port()
        paper = folder / "paper"
        process = start_paper(paper, port, chosen.fills)
        try:
            wait_for(port, process)
            return run(chosen.fills, chosen.slice, folder, paper, port)
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
