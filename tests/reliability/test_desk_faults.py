"""Rows F10, F12, F14, F19, H1 and H2 against real processes: what the desk leans on is emptied, full, frozen or gone.

One desk, in this order of tests or any other: each leaves it as it found it.
"""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.support.desk import PATIENCE, ROOT, RunningDesk, eventually, running_desk
from tests.support.manage import own_environment
from tests.support.member import PaperMember
from tests.support.trader import ConnectionClosed, SocketTrader

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.xdist_group("desk-faults")]

FINAL = {"acked", "refused", "not_seen"}
LONG = 4 * PATIENCE
# Write the files of a desk; the supervisor's pipe takes their logs, and Redis is a fault of its own.
WRITERS = ("signer", "web", "gateway", "orders", "urgent", "worker", "beat")
NEW_KEY = """
import json, sys
from apps.accounts.access import presence_load
from apps.accounts.models import Membership
from apps.vault.models import ApiKey
from apps.vault.services import NewKey, key_add
old = ApiKey.objects.get(purpose="rest_trade", status__in=["valid", "untested"], account__name=sys.argv[-1])
person = Membership.objects.get(desk=old.account.desk, user__username="vault-admin").user_id
told = json.loads(sys.stdin.read())
key_add(presence_load(person, {}).actor, NewKey(account_id=old.account_id, label="Rotated", purpose="rest_trade",
    scopes=("read", "write"), key_id=told["api_key_id"], secret=told["private_key"].encode(), replaces=old.pk))
"""


@dataclass
class Bench:
    """A trader at the desk, the same person's account at the exchange, and both sides' books."""

    desk: RunningDesk
    trader: SocketTrader
    account: str
    ticker: str
    count: int = 0
    placed: list[str] = field(default_factory=list)

    def place(self, *, key: str = "", **over: Any) -> dict[str, Any]:
        """Place one order that rests, of a size that no other has; returns the socket's answer."""
        self.count += 1
        ticket = self.trader.ticket(self.ticker, price="0.0200", count=self.count, key=key or str(uuid.uuid4()))
        answer = self.ask("order.place", params=ticket | over)
        if "ok" in answer:
            self.placed.append(ticket["idempotency_key"])
        return answer

    def ask(self, cmd: str, *, params: dict[str, Any]) -> dict[str, Any]:
        """Ask as a page does: a socket that ended meanwhile, for heartbeats that nobody answered, is opened again."""
        end = time.monotonic() + LONG
        while True:
            try:
                return self.trader.ask(cmd, within=LONG, params=params)
            except (ConnectionClosed, TimeoutError):
                if time.monotonic() > end:
                    raise
                self.trader.close()
                self.trader.open()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.desk.data / 'desk.sqlite3'}?mode=ro", uri=True, timeout=60)) as read:
            return read.execute(query, values).fetchall()

    def states(self) -> set[str]:
        return {state for (state,) in self.rows("SELECT state FROM orders_orderintent")}

    def is_known(self) -> bool:
        """Every order has an end, and the exchange has those that were accepted and no others."""
        accepted = self.rows("SELECT client_order_id FROM orders_orderintent WHERE state = 'acked'")
        theirs = [order["client_order_id"].replace("-", "") for order in self.truth() if order["client_order_id"]]
        ours = {name for (name,) in self.rows("SELECT client_order_id FROM orders_orderintent")}
        made = sorted(name for name in theirs if name in ours)
        return self.states() <= FINAL and made == sorted(name for (name,) in accepted)

    def truth(self) -> list[dict[str, Any]]:
        told = httpx.get(f"{self.desk.paper['control_url']}/truth", timeout=PATIENCE).json()
        member = next(row for row in told["members"].values() if row["name"] == self.account)
        return list(member["orders"])

    def resting(self) -> int:
        return sum(1 for order in self.truth() if order["status"] == "resting")

    def redis(self) -> "redis.Redis[bytes]":
        return redis.Redis.from_url(f"unix://{self.desk.data / 'run' / 'redis.sock'}", socket_timeout=PATIENCE)

    def pid(self, name: str) -> int:
        found: int = eventually(lambda: self.desk.children().get(name), what=f"a running {name}")
        return found

    def manage(self, *arguments: str, disk: int | None = None, told: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of this desk. disk: the largest file, in bytes, that it may write."""
        kept = own_environment() | {
            "DESK_DATA": str(self.desk.data),
            "DESK_PAPER_PORT": self.desk.paper["rest_url"].rsplit(":", 1)[1],
        }
        kept["DESK_VAULT_PRIVATE_KEY"] = str(self.desk.data / "vault" / "private.pem")
        command = [sys.executable, "manage.py", *arguments]
        if disk is not None:
            limit = f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({disk}, {disk})); "
            command = [
                sys.executable,
                "-c",
                limit + "sys.argv = sys.argv[1:]; runpy.run_path('manage.py', run_name='__main__')",
            ]
            command += ["manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=kept, input=told, capture_output=True, text=True, timeout=LONG, check=False
        )

    def release(self) -> None:
        for desk, name in self.rows(
            "SELECT d.slug, u.username FROM accounts_desk d JOIN accounts_membership m ON m.desk_id = d.id "
            "JOIN accounts_user u ON u.id = m.user_id WHERE u.username = 'lead'"
        ):
            done = self.manage("release", "--desk", desk, "--by", name, "--why", "the test goes on", "--although-left")
            assert done.returncode == 0, done.stderr

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Not a byte more into any file, for every process of the desk."""
        pids = [self.pid(name) for name in WRITERS]
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            for pid in pids:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    data = tmp_path_factory.mktemp("faults") / "data"
    with running_desk(data, DESK_PAPER_OPTIONS="--no-bots --markets 8") as desk:
        login = desk.logins["trader"]
        trader = SocketTrader(desk.url, login["username"], login["password"])
        trader.open()
        built = Bench(desk, trader, "", "")
        ((built.account,),) = built.rows("SELECT name FROM accounts_exchangeaccount ORDER BY id LIMIT 1")
        ((built.ticker,),) = built.rows(
            "SELECT ticker FROM markets_market WHERE status = 'active' AND close_time > datetime('now', '+1 day') "
            "AND price_ranges LIKE '%0.0100%' ORDER BY ticker LIMIT 1"
        )
        eventually((data / "run" / "emergency-keys.json").exists, what="the file of sealed keys")
        yield built
        trader.close()


def test_f10_nothing_depends_on_what_redis_remembers(bench: Bench) -> None:
    key = str(uuid.uuid4())
    first = bench.place(key=key)
    paused = bench.ask("trading.pause", params={"scope": "me"})
    assert "ok" in first, first
    assert "ok" in paused, paused

    with bench.redis() as server:
        server.flushall()

    # The session, the right, the pause and the click are rows: the same socket goes on, and so does a new one.
    assert bench.place()["error"]["code"] == "paused"
    bench.trader.close()
    bench.trader.open()
    ((pause,),) = bench.rows("SELECT id FROM orders_tradingpause WHERE released_at IS NULL")
    assert "ok" in bench.ask("trading.resume", params={"pause_id": pause})
    ticket = bench.trader.ticket(bench.ticker, price="0.0200", count=1, key=key)
    again = bench.ask("order.place", params=ticket)
    with bench.redis() as server:
        server.flushall()
    second = bench.place()

    assert "ok" in again, again
    assert bench.rows("SELECT COUNT(*) FROM orders_orderintent WHERE idempotency_key = ?", key.replace("-", "")) == [
        (1,)
    ]
    assert "ok" in second, second
    eventually(bench.is_known, within=LONG, what="both orders at the exchange, once each")


def test_f12_redis_full_loses_and_doubles_nothing(bench: Bench) -> None:
    with bench.redis() as server:
        before = server.config_get("maxmemory")["maxmemory"]
        server.config_set("maxmemory", 1)
        try:
            answers = [bench.place() for _ in range(3)]
        finally:
            server.config_set("maxmemory", before)

    assert all("ok" in answer or answer["error"]["code"] for answer in answers)
    eventually(bench.is_known, within=LONG, what="an end of each order, as the exchange has it")
    assert "ok" in bench.place()
    eventually(bench.is_known, within=LONG, what="the next order")


def test_f12_with_redis_frozen_the_kill_switch_takes_everything_off(bench: Bench) -> None:
    for _ in range(3):
        assert "ok" in bench.place()
    eventually(lambda: bench.is_known() and bench.resting() >= 3, within=LONG, what="three resting orders")
    frozen = bench.desk.children().get("valkey-server") or bench.pid("redis")
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert "ok" in bench.ask("kill.pull", params={"why": "Redis is frozen"})
        eventually(lambda: bench.resting() == 0, within=LONG, what="nothing resting, with Redis frozen")
    finally:
        os.kill(frozen, signal.SIGCONT)
    bench.release()
    assert "ok" in bench.place()
    eventually(bench.is_known, within=LONG, what="an end of each order")


def test_f14_with_the_disk_full_nothing_new_is_sent_and_the_kill_switch_still_cancels(bench: Bench) -> None:
    for _ in range(2):
        assert "ok" in bench.place()
    eventually(lambda: bench.is_known() and bench.resting() >= 2, within=LONG, what="two resting orders")
    at_exchange = len(bench.truth())

    with bench.full_disk():
        refused = bench.place()
        assert "error" in refused, refused
        done = bench.manage("kill", "--why", "the disk is full", disk=0)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Nothing is left at the exchange." in done.stdout
        assert bench.resting() == 0
        assert len(bench.truth()) == at_exchange

    assert bench.rows("PRAGMA integrity_check") == [("ok",)]
    # The file of the kill was made and nothing could be written into it: it kills all the same, every desk.
    eventually(
        lambda: bench.rows("SELECT 1 FROM orders_tradingpause WHERE level = 'kill' AND released_at IS NULL"),
        within=LONG,
        what="the kill in the database, with room on the disk",
    )
    bench.release()
    assert "ok" in bench.place()
    eventually(bench.is_known, within=LONG, what="an end of each order")
    trail = bench.manage("audit_verify")
    assert trail.returncode == 0, trail.stdout + trail.stderr


def test_f19_without_the_signer_orders_are_refused_and_the_streams_stay(bench: Bench) -> None:
    eventually(bench.is_known, within=LONG, what="an end of each order")
    private = bench.desk.data / "vault" / "private.pem"
    away, gateway = private.with_suffix(".away"), bench.pid("gateway")
    private.rename(away)
    try:
        # The signer that starts now opens nothing, and nobody else holds a key.
        os.kill(bench.pid("signer"), signal.SIGKILL)
        before = len(bench.truth())
        answer = bench.place()
        eventually(lambda: bench.states() <= FINAL, within=LONG, what="an end of the order")
        assert len(bench.truth()) == before, answer
        member = PaperMember(bench.desk.paper, bench.account)
        told = member.order(bench.ticker, side="bid", price="0.0100", count="77.00")
        order_id = told.get("order", told)["order_id"]
        eventually(
            lambda: bench.rows("SELECT 1 FROM orders_order WHERE order_id = ?", order_id),
            within=LONG,
            what="an order of elsewhere, over the stream that was open",
        )
        assert bench.pid("gateway") == gateway
    finally:
        away.rename(private)
    eventually(lambda: "ok" in bench.place(), within=LONG, what="an order with the signer back")
    eventually(bench.is_known, within=LONG, what="an end of each order")


def test_f19_a_signer_that_hangs_is_not_waited_for_and_nothing_is_sent(bench: Bench) -> None:
    eventually(bench.is_known, within=LONG, what="an end of each order")
    signer = bench.pid("signer")
    before = len(bench.truth())
    os.kill(signer, signal.SIGSTOP)
    try:
        answer = bench.place()
        eventually(lambda: bench.states() <= FINAL, within=LONG, what="an end of the order")
        assert len(bench.truth()) == before, answer
        ((error,),) = bench.rows("SELECT error_text FROM orders_orderintent ORDER BY id DESC LIMIT 1")
        assert "signer did not answer" in error
    finally:
        os.kill(signer, signal.SIGCONT)
    eventually(lambda: "ok" in bench.place(), within=LONG, what="an order with the signer awake")
    eventually(bench.is_known, within=LONG, what="an end of each order")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of the signer")
def test_a_key_is_in_the_memory_of_the_signer_and_of_no_other_process(bench: Bench) -> None:
    """The demo's keys lie in files of the paper exchange; the desk's own processes read one only to sign."""
    assert "ok" in bench.place()
    eventually(bench.is_known, within=LONG, what="an end of each order")
    member = next(row for row in bench.desk.paper["members"] if row["name"] == bench.account)
    key = serialization.load_pem_private_key(Path(member["private_key_path"]).read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    numbers = key.private_numbers()
    needles = [number.to_bytes(128, order)[16:48] for number in (numbers.p, numbers.q) for order in ("little", "big")]

    found = {name: memory_has(pid, needles) for name, pid in bench.desk.children().items()}

    assert found["signer"], "the search would not find a key"
    assert {name for name, has in found.items() if has} <= {"signer", "paper"}


def memory_has(pid: int, needles: list[bytes]) -> bool:
    """Does the memory that a process may write hold one of these?"""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(side, 16) for side in span.split("-"))
            try:
                memory.seek(start)
                held = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            if any(needle in held for needle in needles):
                return True
    return False


def test_h2_then_h1_a_rotated_key_hands_over_and_a_deleted_one_ends(bench: Bench) -> None:
    """Old and new overlap: orders and fills of both, each once. Then the new one is deleted at the exchange."""
    assert "ok" in bench.ask("order.cancel_all", params={})
    eventually(lambda: bench.is_known() and bench.resting() == 0, within=LONG, what="an empty book of ours")
    ours = "SELECT COUNT(*), COUNT(DISTINCT trade_id) FROM orders_fill WHERE account_id = "
    ours += "(SELECT id FROM accounts_exchangeaccount WHERE name = ?)"
    ((fills, _),) = bench.rows(ours, bench.account)
    assert "ok" in bench.place()
    eventually(bench.is_known, within=LONG, what="the order of the old key")
    owner = PaperMember(bench.desk.paper, bench.account)
    made = owner.request("POST", "/api_keys/generate", json={"name": "rotated", "scopes": ["read", "write"]})

    done = bench.manage(
        "shell", "--command", f"import sys; sys.argv.append({bench.account!r})\n{NEW_KEY}", told=json.dumps(made)
    )

    assert done.returncode == 0, done.stderr
    other = next(entry["name"] for entry in bench.desk.paper["members"] if entry["name"] != bench.account)
    assert "ok" in bench.place()
    eventually(bench.is_known, within=LONG, what="the order of the new key")
    PaperMember(bench.desk.paper, other).order(
        bench.ticker, side="ask", price="0.0200", count=f"{2 * bench.count - 1}.00"
    )
    eventually(
        lambda: bench.rows(ours, bench.account) == [(fills + 2, fills + 2)],
        within=LONG,
        what="a fill of each order, once",
    )

    owner.request("DELETE", f"/api_keys/{made['api_key_id']}")
    before = len(bench.truth())
    # Reads have a key of their own here, so the first order after it is the one that finds out.
    first = bench.place()
    assert "ok" in first, first

    eventually(
        lambda: bench.rows("SELECT 1 FROM vault_apikey WHERE status = 'invalid' AND key_id = ?", made["api_key_id"]),
        within=LONG,
        what="the key's end here",
    )
    refused = bench.place()
    assert refused["error"]["code"] == "no_key", refused
    eventually(bench.is_known, within=LONG, what="the refusal of the first")
    assert len(bench.truth()) == before
