"""Accepted quotes at windows of three seconds, while the desk's processes are killed and answers are lost.

python -m tests.faults.rfq_soak [--accepts 2000] [--seed 1] [--fault-every 4]

A real desk quotes by its socket with the automatic policy; another member of the paper exchange asks, and takes.
Printed: how many windows were confirmed, let lapse and missed, by reason, and how much time was left. A window that was
decided to be confirmed and was not is a rule broken; so is one that was confirmed after it had been declined.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from apps.core.killpoints import RFQ_POINTS
from apps.vault.signing import KeySigner
from tests.support.desk import RunningDesk, eventually, running_desk
from tests.support.trader import ConnectionClosed, SocketTrader

API = "/trade-api/v2"
KILL_FILE = "kill-at"
WINDOW = 3.0  # seconds
SETTLED = 4.5  # seconds after the accept: confirmed and executed, or lapsed
FAULTS = (
    *("urgent", "urgent", "gateway", "gateway+urgent", "orders", "worker", "beat", "signer"),
    *("point", "point", "point", "lost", "lost", "frame", "frame"),
)
# Whoever of these is up can hear, judge and send. With all of them dead nobody can: one is always left.
WORKERS = ("urgent", "orders", "worker")
STARTED = 12.0  # seconds after which a process that was started is taken to be at work
DONE = ("confirmed", "executed")
LOST = ("lose_before", "lose_after", "status", "delay")
CALM_SECONDS = 240.0


class Requester:
    """A member of the exchange without a desk: signed calls on one warm connection."""

    def __init__(self, desk: RunningDesk, name: str) -> None:
        self._url = desk.paper["rest_url"]
        member = next(row for row in desk.paper["members"] if row["name"] == name)
        pem = Path(member["private_key_path"]).read_bytes()
        self._signer = KeySigner.from_pem(key_id=member["key_id"], pem=pem, scopes=tuple(member["scopes"]))
        self._http = httpx.Client(timeout=60)

    def call(self, method: str, path: str, body: Any = None, **params: str) -> httpx.Response:
        headers = self._signer.headers(method, API + path, time.time_ns() // 1_000_000)
        return self._http.request(method, self._url + API + path, json=body, params=params, headers=headers)

    def close(self) -> None:
        self._http.close()


@dataclass(slots=True)
class Lane:
    """One market: a request at a time. wakes: when to look at it next, monotonic seconds."""

    ticker: str
    rfq_id: str = ""
    quote_id: str = ""
    accepted_at: float = 0.0
    wakes: float = 0.0
    asked_at: float = 0.0


@dataclass(slots=True)
class Report:
    accepted: int = 0
    confirmed: int = 0
    lapsed: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    slack: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    heard_by: Counter[str] = field(default_factory=Counter)
    sent_by: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Soak:
    def __init__(self, desk: RunningDesk, *, seed: int, lanes: int, is_fast: bool = True) -> None:
        self.desk = desk
        self.report = Report()
        self._rng = random.Random(seed)
        self._requester = Requester(desk, "maker")
        login = desk.logins["quoter"]
        self.trader = SocketTrader(desk.url, login["username"], login["password"])
        self.trader.open()
        markets = httpx.get(
            f"{desk.paper['rest_url']}{API}/markets", params={"status": "open", "limit": 200}, timeout=60
        ).json()["markets"]
        tickers = [row["ticker"] for row in markets if row["price_level_structure"] == "linear_cent"][:lanes]
        self._lanes = [Lane(ticker) for ticker in tickers]
        if is_fast:
            self.control("POST", "/rfq", {"hvm": tickers})
        for member in ("trader-1", "maker", "trader-2"):
            self.control("POST", "/member", {"member": member, "tier": "premier", "refill": True})
        self._make_books(Requester(desk, "trader-2"), tickers)
        self._results: dict[str, dict[str, Any]] = {}

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = httpx.request(method, f"{self.desk.paper['control_url']}{path}", json=body, timeout=60)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    @staticmethod
    def _make_books(member: Requester, tickers: list[str]) -> None:
        """Give each market a live middle that the desk's last look can measure from."""
        for ticker in tickers:
            for side, price in (("bid", "0.2000"), ("ask", "0.6000")):
                body = {
                    "ticker": ticker,
                    "client_order_id": str(uuid.uuid4()),
                    "side": side,
                    "count": "5.00",
                    "price": price,
                    "time_in_force": "good_till_canceled",
                    "self_trade_prevention_type": "taker_at_cross",
                }
                answer = member.call("POST", "/portfolio/events/orders", body)
                assert answer.status_code == httpx.codes.CREATED, answer.text
        member.close()

    # --- storm -------------------------------------------------------------------------------------
    def rage(self, *, accepts: int, fault_every: float, most_seconds: float = 36_000.0) -> None:
        """Ask, quote and take in all lanes until so many quotes were taken, and break something now and then."""
        began = time.monotonic()
        next_fault = began + fault_every
        while self.report.accepted < accepts and time.monotonic() - began < most_seconds:
            for lane in self._lanes:
                if time.monotonic() >= lane.wakes:
                    self._step(lane, may_begin=self.report.accepted < accepts)
            if time.monotonic() >= next_fault:
                self._break_something()
                next_fault = time.monotonic() + fault_every * self._rng.uniform(0.5, 1.5)
            with suppress(ConnectionClosed):
                self.trader.hear(0.01)
        end = time.monotonic() + 30
        while any(lane.quote_id and lane.accepted_at for lane in self._lanes) and time.monotonic() < end:
            for lane in self._lanes:
                if lane.accepted_at and time.monotonic() >= lane.wakes:
                    self._step(lane, may_begin=False)
            with suppress(ConnectionClosed):
                self.trader.hear(0.05)

    # --- one at a time (tests/reliability) -----------------------------------------------------------
    def lane(self, number: int) -> Lane:
        return self._lanes[number]

    def advance(self, lane: Lane) -> None:
        """Take the next step of one lane, as far as an accept."""
        if not lane.accepted_at and time.monotonic() >= lane.wakes:
            self._step(lane, may_begin=True)

    def withdraw(self, lane: Lane) -> None:
        """End the request of a lane, whatever became of it, so that the next may begin."""
        if lane.rfq_id:
            self._requester.call("DELETE", f"/communications/rfqs/{lane.rfq_id}")
        self._forget(lane)

    def record(self, quote_id: str) -> dict[str, Any]:
        """The exchange's own record of a quote."""
        answer = self._requester.call("GET", f"/communications/quotes/{quote_id}")
        found: dict[str, Any] = answer.json().get("quote", {}) if answer.status_code == httpx.codes.OK else {}
        return found

    def rows(self) -> dict[str, dict[str, Any]]:
        """The desk's confirmations, by the exchange's id of the quote."""
        return self._rows()

    def has_prices(self) -> bool:
        """Quote once in every lane, until what is kept with the quotes says that live prices were there."""
        for lane in self._lanes:
            if not lane.rfq_id:
                self._ask(lane)
        with closing(sqlite3.connect(self.desk.data / "desk.sqlite3", timeout=60)) as ledger:
            kept = ledger.execute("SELECT ticker, book_at_send FROM rfq_quote ORDER BY id").fetchall()
        priced = {ticker for ticker, book in kept if json.loads(book).get("reference")}
        for lane in self._lanes:
            if lane.ticker not in priced:
                self._forget(lane)
        return all(lane.ticker in priced for lane in self._lanes)

    def _step(self, lane: Lane, *, may_begin: bool) -> None:
        now = time.monotonic()
        if lane.accepted_at:
            self._collect(lane)
        elif lane.rfq_id:
            self._take(lane)
        elif may_begin:
            self._ask(lane)
        lane.wakes = max(lane.wakes, now + 0.03)

    def _ask(self, lane: Lane) -> None:
        body = {"market_ticker": lane.ticker, "contracts": 2, "rest_remainder": False, "replace_existing": True}
        answer = self._requester.call("POST", "/communications/rfqs", body)
        if answer.status_code != httpx.codes.CREATED:
            self.report.refused[f"rfq {answer.status_code}"] += 1
            lane.wakes = time.monotonic() + 1
            return
        lane.rfq_id, lane.asked_at = answer.json()["id"], time.monotonic()
        params = {
            "idempotency_key": str(uuid.uuid4()),
            "rfq_id": lane.rfq_id,
            "yes_bid": "0.30",
            "no_bid": "0.50",
            "policy": "auto",
            "max_move": "0.10",
        }
        try:
            told = self.trader.ask("quote.send", params=params)
        except (ConnectionClosed, TimeoutError):
            self.trader.open()
            self._forget(lane)
            return
        if "error" in told:
            self.report.refused[told["error"]["code"]] += 1
            self._forget(lane, pause=1.0)

    def _take(self, lane: Lane) -> None:
        """Accept our quote as soon as it is there; give the request up when it does not come."""
        listed = self._requester.call("GET", "/communications/quotes", rfq_id=lane.rfq_id, rfq_user_filter="self")
        quotes = [row for row in listed.json().get("quotes", []) if row["status"] == "open"]
        if not quotes:
            if time.monotonic() - lane.asked_at > 25:
                self._forget(lane)
            else:
                lane.wakes = time.monotonic() + 0.05
            return
        lane.quote_id = quotes[0]["id"]
        side = self._rng.choice(("yes", "no"))
        path = f"/communications/quotes/{lane.quote_id}/accept"
        answer = self._requester.call("PUT", path, {"accepted_side": side})
        if answer.status_code != httpx.codes.NO_CONTENT:
            self.report.refused[f"accept {answer.status_code}"] += 1
            self._forget(lane)
            return
        self.report.accepted += 1
        lane.accepted_at = time.monotonic()
        lane.wakes = lane.accepted_at + SETTLED

    def _collect(self, lane: Lane) -> None:
        answer = self._requester.call("GET", f"/communications/quotes/{lane.quote_id}")
        if answer.status_code == httpx.codes.OK:
            self._results[lane.quote_id] = answer.json()["quote"]
        else:
            self.report.problems.append(f"quote {lane.quote_id} cannot be read: {answer.text[:200]}")
        if lane.rfq_id and self._results.get(lane.quote_id, {}).get("status") != "executed":
            self._requester.call("DELETE", f"/communications/rfqs/{lane.rfq_id}")
        self._forget(lane)

    @staticmethod
    def _forget(lane: Lane, *, pause: float = 0.0) -> None:
        lane.rfq_id, lane.quote_id, lane.accepted_at = "", "", 0.0
        lane.wakes = time.monotonic() + pause

    def _break_something(self) -> None:
        kind = self._rng.choice(FAULTS)
        if not self._is_survived(kind):
            self.report.faults["left out: the last worker"] += 1
            return
        if kind == "point":
            place = self._rng.choice(RFQ_POINTS)
            (self.desk.data / KILL_FILE).write_text(place)
            self.report.faults[f"died at {place}"] += 1
        elif kind == "lost":
            what = self._rng.choice(LOST)
            body: dict[str, Any] = {"kind": what, "method": "PUT", "path": f"{API}/communications/quotes/*/confirm"}
            if what == "delay":
                body["delay_ms"] = self._rng.choice((200, 600, 1200))
            self.control("POST", "/rest/fault", body | {"count": self._rng.randint(1, 3)})
            self.report.faults[f"confirm: {what}"] += 1
        elif kind == "frame":
            body = {"kind": "lose", "type": "quote_accepted", "member": "trader-1", "count": 2}
            self.control("POST", "/ws/fault", body)
            self.report.faults["accept frame lost"] += 1
        else:
            children = self.desk.children()
            pids = [children[name] for name in kind.split("+") if name in children]
            if not pids:
                return  # still on its way up from the last time
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.report.faults[f"killed {kind}"] += 1

    def _is_survived(self, kind: str) -> bool:
        """Is there a worker left after this, wherever a place of death that was named and not reached yet strikes?"""
        if kind in ("lost", "frame", "gateway", "beat", "signer"):
            return True
        children = self.desk.children()
        up = {name for name in WORKERS if name in children and _age(children[name]) > STARTED}
        waits = (self.desk.data / KILL_FILE).exists()
        return len(up - set(kind.split("+"))) > waits + (kind == "point")

    # --- judgement -----------------------------------------------------------------------------------
    def judge(self) -> Report:
        """Hold the desk's rows against what the exchange says, once everything has settled."""
        (self.desk.data / KILL_FILE).unlink(missing_ok=True)
        self.control("POST", "/faults/clear", {})
        with suppress(AssertionError):
            eventually(lambda: not self._differences(), within=CALM_SECONDS, what="agreement with the exchange")
        self.report.problems += self._differences()
        rows = self._rows()
        for quote_id, theirs in self._results.items():
            row = rows.get(quote_id)
            self._count(quote_id, theirs, row)
        self.close()
        return self.report

    def close(self) -> None:
        self.trader.close()
        self._requester.close()

    def _count(self, quote_id: str, theirs: dict[str, Any], row: dict[str, Any] | None) -> None:
        report = self.report
        if row is not None:
            report.heard_by[row["heard_by"]] += 1
            report.sent_by[(row["lease_holder"] or "nobody").partition(":")[0]] += 1
        if theirs["status"] in DONE:
            report.confirmed += 1
            report.slack.append(WINDOW - _seconds(theirs["accepted_ts"], theirs["confirmed_ts"]))
            if row is not None and row["decision"] == "lapse":
                report.problems.append(f"quote {quote_id} was declined and confirmed")
        elif row is None:
            report.missed["never heard of"] += 1
        elif row["state"] == "lapsed":
            report.lapsed[row["reason"]] += 1
        elif row["decision"] == "confirm":
            report.missed[f"decided: {row['reason']}"] += 1
            sent = row["first_sent_at"] or "never sent"
            text = f"decided {row['decided_at']}, {sent}, by {row['send_by']}, {row['attempts']} attempts"
            report.problems.append(f"quote {quote_id} was decided in time and missed: {text}; {row['error_text']}")
        else:
            report.missed[row["reason"]] += 1

    def _differences(self) -> list[str]:
        rows = self._rows()
        found = []
        for quote_id, theirs in self._results.items():
            row = rows.get(quote_id)
            is_done = theirs["status"] in DONE
            if row is None:
                found.append(f"quote {quote_id} is {theirs['status']} and the desk has no confirmation")
            elif is_done != (row["state"] in DONE):
                found.append(f"quote {quote_id} is {theirs['status']} there and {row['state']} here")
        return found

    def _rows(self) -> dict[str, dict[str, Any]]:
        with closing(sqlite3.connect(self.desk.data / "desk.sqlite3", timeout=60)) as ledger:
            ledger.row_factory = sqlite3.Row
            rows = ledger.execute(
                "SELECT c.*, q.quote_id AS their_id FROM rfq_confirmation c JOIN rfq_quote q ON q.id = c.quote_id"
            )
            return {row["their_id"]: dict(row) for row in rows}


def _age(pid: int) -> float:
    """Return for how long a process has lived, seconds (Linux); 0 for one that is gone."""
    with suppress(OSError):
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


def _seconds(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def settings(data: Path, *, markets: int) -> dict[str, str]:
    """What the desk under test runs with: fast windows, quiet markets, a file that says where to die."""
    return {
        "DESK_PAPER_OPTIONS": f"--no-bots --markets {markets}",
        "DESK_RFQ_FAST": "KX",
        "DESK_KILL_FILE": str(data / KILL_FILE),
    }


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.rfq_soak", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--accepts", type=int, default=2_000)
    parser.add_argument("--lanes", type=int, default=16, help="markets in which quotes are taken at the same time")
    parser.add_argument("--fault-every", type=float, default=4.0, help="seconds, on average")
    parser.add_argument("--seconds", type=float, default=36_000.0, help="end after so long, whatever was reached")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the desk under test ends with this process
    with tempfile.TemporaryDirectory(prefix="desk-rfq-soak-") as folder:
        data = Path(folder) / "data"
        with running_desk(data, **settings(data, markets=max(40, 3 * options.lanes))) as desk:
            soak = Soak(desk, seed=options.seed, lanes=options.lanes)
            began = time.monotonic()
            soak.rage(accepts=options.accepts, fault_every=options.fault_every, most_seconds=options.seconds)
            took = time.monotonic() - began
            report = soak.judge()
    print(f"{report.accepted} accepted in {took:.0f} s, {report.confirmed} confirmed")
    print(f"let lapse: {dict(report.lapsed)}; missed: {dict(report.missed)}")
    print(f"heard by {dict(report.heard_by)}, sent by {dict(report.sent_by)}; quotes refused: {dict(report.refused)}")
    shares = ((0.0, "least"), (0.01, "p1"), (0.05, "p5"), (0.1, "p10"), (0.25, "p25"), (0.5, "p50"), (0.99, "p99"))
    print("slack, s: " + ", ".join(f"{name} {percentile(report.slack, share):.2f}" for share, name in shares))
    print(f"faults: {dict(report.faults)}")
    for problem in report.problems:
        print(f"  {problem}")
    print("no rule was broken" if not report.problems else "A RULE WAS BROKEN")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
