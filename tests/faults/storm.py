"""A real desk of real processes, killed one after the other while orders are placed; then its ledger against the truth.

python -m tests.faults.storm [--seconds 120] [--seed 1]
"""

import argparse
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
from pathlib import Path
from typing import Any

import httpx

from tests.support.desk import RunningDesk, eventually, running_desk
from tests.support.manage import manage
from tests.support.trader import ConnectionClosed, SocketTrader

# What a click is refused with once money or a limit is used up.
_FULL = frozenset({"insufficient_funds", "limit_max_open_contracts", "limit_max_notional", "limit_max_count"})
VICTIMS = ("signer", "web", "orders", "urgent", "worker", "gateway", "beat", "redis")
OPTIONS = "--no-bots --markets 40"
PRICES = ("0.20", "0.25", "0.30")
# The trader's money is large, but every order rests: small sizes, each its own.
FIRST_COUNT = 2
# Limits for a machine that is busy with other things; on an idle one calm comes within half a minute.
CALM_SECONDS = 400.0
RISE_SECONDS = 180.0  # until a process that was killed runs again
ANSWER_SECONDS = 60.0


@dataclass(slots=True)
class Report:
    """What the storm did, and every rule that it found broken."""

    clicks: int = 0
    answered: int = 0
    orders: int = 0
    cancelled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    calm_after: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Storm:
    def __init__(self, desk: RunningDesk, *, seed: int) -> None:
        self.desk = desk
        self.report = Report()
        self._rng = random.Random(seed)
        login = desk.logins["trader"]
        self.trader = SocketTrader(desk.url, login["username"], login["password"])
        self.trader.open()
        self._account = self._value("SELECT id FROM accounts_exchangeaccount ORDER BY id LIMIT 1")
        self._member = self._value("SELECT name FROM accounts_exchangeaccount ORDER BY id LIMIT 1")
        self._ticker = self._value(
            "SELECT ticker FROM markets_market WHERE status = 'active' AND close_time > datetime('now', '+1 day')"
            " AND price_ranges LIKE '%0.0100%' ORDER BY ticker LIMIT 1"
        )
        self.trader.subscribe(f"orders:{self._account}")
        self._open: dict[int, dict[str, Any]] = {}  # message id -> ticket, until it is answered
        self._unanswered: list[dict[str, Any]] = []  # tickets whose socket died: sent again with the same key
        self._confirmed: dict[str, dict[str, Any]] = {}  # idempotency key -> row

    # --- weather -----------------------------------------------------------------------------------
    def rage(self, *, seconds: float, kill_every: float, clicks: int = 0) -> None:
        """Place, cancel and repeat orders while processes die and answers get lost.

        It lasts `seconds`, and longer until there were so many clicks and, if there is time for one each, every
        process has died: how fast the machine is changes how long it takes, not what happens.
        """
        end = time.monotonic() + seconds
        next_kill = time.monotonic() + kill_every / 2
        victims = list(VICTIMS)
        while time.monotonic() < end or self.report.clicks < clicks:
            self._trade()
            if time.monotonic() >= next_kill:
                if not victims:
                    victims = list(VICTIMS)
                self._kill(victims.pop(self._rng.randrange(len(victims))))
                next_kill = time.monotonic() + kill_every
        for name in victims if seconds >= kill_every * len(VICTIMS) else ():
            self._kill(name)

    def _trade(self) -> None:
        try:
            if self._unanswered:
                self._place(self._unanswered.pop())
            elif self._rng.random() < 0.1:
                self._cancel_one()
            else:
                self._click()
            if self._rng.random() < 0.1:
                self._lose_something()
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                self.trader.hear(max(0.001, end - time.monotonic()))
            self._answers()
        except (ConnectionClosed, TimeoutError):
            # What a page does: connect again, and repeat what was not answered under the same key.
            self._unanswered += self._open.values()
            self._open.clear()
            self.trader.open()

    def _click(self) -> None:
        self.report.clicks += 1
        ticket = self.trader.ticket(
            self._ticker, price=self._rng.choice(PRICES), count=FIRST_COUNT + self.report.clicks
        )
        self._place(ticket)
        if self._rng.random() < 0.1:
            self._place(ticket)  # a double click

    def _place(self, ticket: dict[str, Any]) -> None:
        try:
            self._open[self.trader.send("order.place", params=ticket)] = ticket
        except ConnectionClosed:
            self._unanswered.append(ticket)
            raise

    def _cancel_one(self) -> None:
        resting = [row for row in self.trader.rows.values() if row["state"] == "resting" and not row["cancel"]]
        if resting:
            self.report.cancelled += 1
            params = {"idempotency_key": str(uuid.uuid4()), "order_id": self._rng.choice(resting)["order_id"]}
            self.trader.send("order.cancel", params=params)

    def _make_room(self) -> None:
        """Money or a limit is used up: cancel all, so that orders go on."""
        self.trader.send("order.cancel_all", params={})

    def _answers(self) -> None:
        for message_id in list(self._open):
            answer = self.trader.answers.pop(message_id, None)
            if answer is None:
                continue
            ticket = self._open.pop(message_id)
            if "ok" in answer:
                self._confirmed[ticket["idempotency_key"]] = answer["ok"]["intent"]
            elif answer["error"]["code"] == "fault":
                self._unanswered.append(ticket)  # "check before trying again": the same key is the check
            else:
                self.report.refused[answer["error"]["code"]] += 1
                if answer["error"]["code"] in _FULL:
                    self._make_room()

    def _kill(self, name: str) -> None:
        """kill -9, as soon as it runs: it may still be on its way up from the last time."""

        def is_killed() -> bool:
            children = self.desk.children()
            pid = children.get(name) or (children.get("valkey-server") if name == "redis" else None)
            if pid is None:
                return False
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
            return False

        eventually(is_killed, within=RISE_SECONDS, what=f"a running {name}")
        self.report.kills[name] += 1

    def _lose_something(self) -> None:
        kind = self._rng.choice(("lose_after", "lose_before", "status"))
        body = {"kind": kind, "method": "POST", "path": "/trade-api/v2/portfolio/events/orders"}
        if kind == "status":
            body["when"] = "after"
        self._control("POST", "/rest/fault", body)
        self.report.faults[kind] += 1

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the paper exchange, which is never killed but may be slow; nothing here harms when it is repeated."""
        answers: list[httpx.Response] = []

        def is_answered() -> bool:
            with suppress(httpx.TransportError):
                answers.append(httpx.request(method, f"{self.desk.paper['control_url']}{path}", json=body, timeout=30))
            return bool(answers)

        eventually(is_answered, what=f"the paper exchange's answer to {path}")
        assert answers[0].status_code == httpx.codes.OK, answers[0].text
        return answers[0].json()

    # --- calm --------------------------------------------------------------------------------------
    def calm(self) -> None:
        """End the faults, repeat what was not answered, and wait until nothing is open any more."""
        self._control("POST", "/faults/clear", {})
        began = time.monotonic()
        while (self._unanswered or self._open) and time.monotonic() - began < CALM_SECONDS:
            with suppress(ConnectionClosed, TimeoutError):
                while self._unanswered:
                    self._place(self._unanswered.pop())
                self.trader.hear(0.2)
                self._answers()
                continue
            self._unanswered += self._open.values()
            self._open.clear()
            self.trader.open()
        eventually(self._agrees, within=CALM_SECONDS, what="agreement of ledger and exchange")
        self.report.calm_after = time.monotonic() - began

    def _agrees(self) -> bool:
        self.report.problems = self._compare()
        return not self.report.problems

    def judge(self) -> Report:
        """Compare once more, and check the trail."""
        with suppress(AssertionError):
            self.calm()
        self.report.problems = self._compare()
        self.report.answered = len(self._confirmed)
        # Not the variables of the tests: the desk's own key seals what is compared.
        trail = manage("audit_verify", within=600, DESK_DATA=str(self.desk.data), DESK_LOG="WARNING")
        if trail.returncode:
            self.report.problems.append(f"I17 the trail does not verify: {trail.stdout}{trail.stderr}")
        self.trader.close()
        return self.report

    def _truth(self) -> list[dict[str, Any]]:
        truth = self._control("GET", "/truth")
        orders: list[dict[str, Any]] = next(row for row in truth["members"].values() if row["name"] == self._member)[
            "orders"
        ]
        return orders

    def _compare(self) -> list[str]:
        truth = self._truth()
        self.report.orders = len(truth)
        intents = {row["client_order_id"]: row for row in self._rows("orders_orderintent")}
        stored = {row["order_id"]: row for row in self._rows("orders_order")}
        found = []
        for count, number in Counter(row["initial_count_fp"] for row in truth).items():
            if number > 1:
                found.append(f"I1 the click of {count} contracts became {number} orders")
        for row in truth:
            order = stored.pop(row["order_id"], None)
            intent = intents.get(row["client_order_id"].replace("-", ""))
            if order is None or intent is None or order["intent_id"] != intent["id"]:
                found.append(f"I2 order {row['order_id']} of {row['initial_count_fp']} is not ours in the ledger")
            elif order["status"] != row["status"]:
                found.append(f"I2 order {row['order_id']} is {order['status']} here and {row['status']} there")
        found += [f"I3 order {order_id} is not at the exchange" for order_id in stored]
        at_exchange = {row["client_order_id"].replace("-", "") for row in truth}
        for client_order_id, intent in intents.items():
            exists = client_order_id in at_exchange
            if intent["state"] not in (("acked",) if exists else ("refused", "not_seen")):
                found.append(f"I4 intent {intent['id']} is {intent['state']}; exists at the exchange: {exists}")
        keys = {row["idempotency_key"] for row in intents.values()}
        for key in self._confirmed:
            if key.replace("-", "") not in keys:
                found.append(f"I5 the desk confirmed ticket {key} and has forgotten it")
        return found

    # --- its database, past the desk -----------------------------------------------------------------
    def _rows(self, table: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.desk.data / "desk.sqlite3", timeout=ANSWER_SECONDS)) as ledger:
            ledger.row_factory = sqlite3.Row
            return [dict(row) for row in ledger.execute(f"SELECT * FROM {table}")]

    def _value(self, query: str) -> Any:
        with closing(sqlite3.connect(self.desk.data / "desk.sqlite3", timeout=ANSWER_SECONDS)) as ledger:
            return ledger.execute(query).fetchone()[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--kill-every", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-storm-") as folder:
        with running_desk(Path(folder) / "data", DESK_PAPER_OPTIONS=OPTIONS) as desk:
            storm = Storm(desk, seed=options.seed)
            storm.rage(seconds=options.seconds, kill_every=options.kill_every)
            report = storm.judge()
        print(
            f"{report.clicks} clicks, {report.answered} confirmed, {report.orders} orders, {report.cancelled} cancels"
        )
        print(f"refused in words: {dict(report.refused)}")
        print(f"killed: {dict(report.kills)}; exchange faults: {dict(report.faults)}")
        print(f"calm after {report.calm_after:.0f} s")
        for problem in report.problems:
            print(f"  {problem}")
        print("no rule was broken" if not report.problems else "A RULE WAS BROKEN")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
