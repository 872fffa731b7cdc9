"""What the desk adds to an order: from the browser's command to the exchange, over a bare signed POST in the same run.

    .venv/bin/python -m benchmarks.order_path [--orders 200] [--steps] [--browser [--slowdown 6]]

Real parts: the embedded set as `make run` starts it (no bots), a socket as a browser speaks it, the paper exchange.
One order at a time, a pause between two. All times are of one machine's clock; the exchange's own `created_time`
is the moment of receipt (whole milliseconds, cut off; the same for both ways, so it cancels out on average).

Printed: ms from the command (or the call of httpx) to the receipt, to the answer, and to the row that says "resting";
the first order after the start apart. With --browser: from the click to the row on the screen, in Chromium
(order_path_screen.py).
"""

import argparse
import bisect
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from apps.vault.signing import KeySigner  # noqa: E402 - after the path is set
from benchmarks.order_path_screen import Screen, by_ladder, by_ticket, market_page  # noqa: E402
from tests.support.desk import RunningDesk, running_desk  # noqa: E402
from tests.support.trader import SocketTrader  # noqa: E402

CREATE = "/trade-api/v2/portfolio/events/orders"
PAUSE = 0.12  # seconds between two orders: the lowest tier pays for ten a second, and nobody must wait for tokens
PRICE = "0.0200"
# The places of apps/core/killpoints.py along one order, as far as its answer.
STEPS = (
    "submit.started",
    "submit.checked",
    "submit.stored",
    "submit.audited",
    "submit.committed",
    "submit.queued",
    "send.started",
    "send.claimed",
    "send.checked",
    "send.client_ready",
    "send.answered",
    "send.applied",
)


class Measure:
    """A running desk with a trader at its socket, and a member of the exchange without a desk."""

    def __init__(self, desk: RunningDesk) -> None:
        self.desk = desk
        self.url = desk.paper["rest_url"]
        login = desk.logins["trader"]
        self.trader = SocketTrader(desk.url, login["username"], login["password"])
        self.trader.open()
        self.trader.subscribe("orders:1")
        markets = httpx.get(f"{self.url}/trade-api/v2/markets", params={"status": "open", "limit": 100}).json()[
            "markets"
        ]
        self.ticker = next(row["ticker"] for row in markets if row["price_level_structure"] == "linear_cent")

    def through_the_desk(self, count: int) -> dict[str, tuple[int, float, float]]:
        """Return client order id -> (Unix ns of the command, ms to the answer, ms to the resting row)."""
        found = {}
        for _ in range(count):
            ticket = self.trader.ticket(self.ticker, price=PRICE, count=2)
            began = time.time_ns()
            answer = self.trader.ask("order.place", params=ticket)
            answered = time.time_ns()
            row = answer["ok"]["intent"]
            while (shown := self.trader.rows.get(row["key"])) is None or shown["state"] != "resting":
                self.trader.hear(1.0)
                if shown is not None and shown["state"] in ("refused", "unknown"):
                    raise SystemExit(f"an order was not accepted: {shown['error']}")
            found[row["client_order_id"]] = (began, (answered - began) / 1e6, (time.time_ns() - began) / 1e6)
            self._rest()
        return found

    def past_the_desk(self, count: int) -> dict[str, int]:
        """Return client order id -> Unix ns of the call, of signed POSTs on one warm connection."""
        member = next(row for row in self.desk.paper["members"] if row["name"] == "trader-2")
        pem = Path(member["private_key_path"]).read_bytes()
        signer = KeySigner.from_pem(key_id=member["key_id"], pem=pem, scopes=tuple(member["scopes"]))
        found = {}
        with httpx.Client() as client:
            for _ in range(count):
                body = {
                    "ticker": self.ticker,
                    "client_order_id": str(uuid.uuid4()),
                    "side": "bid",
                    "count": "2.00",
                    "price": PRICE,
                    "time_in_force": "good_till_canceled",
                    "self_trade_prevention_type": "taker_at_cross",
                }
                began = time.time_ns()
                headers = signer.headers("POST", CREATE, began // 1_000_000)
                client.post(self.url + CREATE, json=body, headers=headers).raise_for_status()
                found[body["client_order_id"]] = began
                self._rest()
        return found

    def _rest(self) -> None:
        end = time.monotonic() + PAUSE
        while time.monotonic() < end:
            self.trader.hear(max(0.001, end - time.monotonic()))

    def receipts(self) -> dict[str, int]:
        """Return client order id -> Unix ns at which the exchange made the order."""
        truth = httpx.get(f"{self.desk.paper['control_url']}/truth", timeout=60).json()
        return {
            order["client_order_id"]: int(datetime.fromisoformat(order["created_time"]).timestamp() * 1e6) * 1000
            for member in truth["members"].values()
            for order in member["orders"]
        }

    def on_screen(self, count: int, *, slowdown: float) -> dict[str, list[Screen]]:
        """Return how long orders take to the screen, by ladder and by ticket, beside few orders and many."""
        markets = httpx.get(f"{self.url}/trade-api/v2/markets", params={"status": "open", "limit": 100}).json()
        quiet = next(
            row["ticker"]
            for row in markets["markets"]
            if row["price_level_structure"] == "linear_cent" and row["ticker"] != self.ticker
        )
        found = {}
        for ticker, words in ((quiet, "few orders"), (self.ticker, "hundreds of orders")):
            with market_page(self.desk, ticker, slowdown=slowdown) as market:
                found[f"ladder, {words}"] = by_ladder(market, count)
                found[f"ticket, {words}"] = by_ticket(market, count)
        return found


def cpu_of(desk: RunningDesk) -> dict[str, int]:
    """Return process -> ns of processor time so far (Linux): what does not depend on who else uses the machine."""
    return {
        name: sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        for name, pid in desk.children().items()
    }


def steps_of(trace: Path, began: list[int]) -> list[dict[str, float]]:
    """Return for each order, in the order of `began` (Unix ns), ms from its command to the first time at each place.

    Orders go one at a time, so what is reached between two commands belongs to the first of them.
    """
    found: list[dict[str, float]] = [{} for _ in began]
    for text in trace.read_text().splitlines():
        name, at, _ = text.split()
        number = bisect.bisect_right(began, int(at)) - 1
        if number >= 0:
            found[number].setdefault(name, (int(at) - began[number]) / 1e6)
    return found


def timeline(orders: list[dict[str, float]]) -> None:
    """Print when each step was reached, and how long the worst orders took to each."""
    print(f"\n{'ms from the command to':<44}{'p50':>9}{'p99':>9}   the slowest orders")
    slowest = sorted(orders, key=lambda steps: -steps.get("send.answered", 0.0))[:4]
    for name in STEPS:
        values = [steps[name] for steps in orders if name in steps]
        if values:
            line(name, values, rest="".join(f"{steps.get(name, float('nan')):>9.1f}" for steps in slowest))


def line(name: str, values: list[float], *, rest: str | None = None) -> None:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:<44}{statistics.median(ordered):>9.1f}{p99:>9.1f}{rest or f'{ordered[-1]:>9.1f}'}")


STEPS_FILE = "steps"


def _settings(folder: Path, is_traced: bool) -> dict[str, str]:
    quiet = {"DESK_PAPER_OPTIONS": "--no-bots --markets 40"}
    return quiet | {"DESK_TRACE_TO": str(folder / STEPS_FILE)} if is_traced else quiet


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--steps", action="store_true", help="also say when each step of an order was reached")
    parser.add_argument("--browser", action="store_true", help="also measure the screen, in Chromium")
    parser.add_argument("--slowdown", type=float, default=1.0, help="of Chromium's processor, with --browser")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON, too")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="desk-path-") as folder,
        running_desk(Path(folder) / "data", **_settings(Path(folder), options.steps)) as desk,
    ):
        measure = Measure(desk)
        first = measure.through_the_desk(1)
        measure.past_the_desk(20)
        measure.through_the_desk(20)
        through: dict[str, tuple[int, float, float]] = {}
        past: dict[str, int] = {}
        cpu: dict[str, int] = {}
        for _ in range(options.orders // 20):  # in turns, so that both meet the same machine
            past |= measure.past_the_desk(20)
            before = cpu_of(desk)
            through |= measure.through_the_desk(20)
            for name, spent in cpu_of(desk).items():
                cpu[name] = cpu.get(name, 0) + spent - before.get(name, spent)
        receipts = measure.receipts()
        screen = measure.on_screen(20, slowdown=options.slowdown) if options.browser else {}
        measure.trader.close()
        steps = steps_of(Path(folder) / STEPS_FILE, sorted(one[0] for one in through.values())) if options.steps else []

    def to_receipt(began: Callable[[str], int], ids: Any) -> list[float]:
        return [(receipts[one] - began(one)) / 1e6 for one in ids]

    bare = to_receipt(lambda one: past[one], past)
    desk_ms = to_receipt(lambda one: through[one][0], through)
    base = statistics.median(bare)
    print(f"{'ms':<44}{'p50':>9}{'p99':>9}{'max':>9}")
    line("bare signed POST to receipt", bare)
    line("socket command to receipt", desk_ms)
    line("  added by the desk (over the bare median)", [value - base for value in desk_ms])
    line("socket command to its answer", [value[1] for value in through.values()])
    line("socket command to the resting row", [value[2] for value in through.values()])
    spent = ", ".join(f"{name} {ns / 1e6 / len(through):.1f}" for name, ns in cpu.items() if name != "paper")
    print(f"processor time while an order was on its way or {PAUSE * 1000:.0f} ms of rest passed, ms: {spent}")
    for way, seen in screen.items():
        line(f"click to first row ({way})", [one.first for one in seen])
        line("  to the resting row in the document", [one.resting for one in seen])
        line("  to its paint", [one.painted for one in seen])
    [(client_order_id, values)] = first.items()
    print(
        f"first order after the start: receipt {(receipts[client_order_id] - values[0]) / 1e6:.0f} ms, "
        f"answer {values[1]:.0f} ms, resting row {values[2]:.0f} ms"
    )
    if steps:
        timeline(steps)
    if options.json:
        print(json.dumps({"bare": base, "added": statistics.median(desk_ms) - base}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
