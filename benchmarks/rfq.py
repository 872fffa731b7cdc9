"""From an accepted quote's frame to its confirmation at the exchange, a stream of requests flowing, over a bare PUT.

    .venv/bin/python -m benchmarks.rfq [--accepts 100] [--per-second 500]

Real parts: the embedded set as `make run` starts it, a quoter at the desk's socket, the paper exchange with its bots,
which ask for quotes as often as is said. Times are of one machine's clock: the gateway's receipt of the frame, and the
exchange's `confirmed_ts` (whole milliseconds, cut off). The bare way: another member quotes, is taken, and confirms by
one signed PUT on a warm connection, in turns with the desk.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults.rfq_soak import API, Requester, settings  # noqa: E402 - after the path is set
from tests.support.desk import RunningDesk, eventually, running_desk  # noqa: E402
from tests.support.trader import SocketTrader  # noqa: E402

BIDS = {"yes_bid": "0.02", "no_bid": "0.02"}  # nobody minds being taken at these


class Steps(NamedTuple):
    """Unix seconds: the gateway has the frame; decision stored; about to be sent."""

    heard: float
    decided: float
    sent: float


class Measure:
    """asker takes; trader-1 quotes through the desk, trader-2 without one."""

    def __init__(self, desk: RunningDesk, *, per_second: int) -> None:
        self.desk = desk
        self.asker, self.bare = Requester(desk, "maker"), Requester(desk, "trader-2")
        login = desk.logins["quoter"]
        self.trader = SocketTrader(desk.url, login["username"], login["password"])
        self.trader.open()
        markets = httpx.get(
            f"{desk.paper['rest_url']}{API}/markets", params={"status": "open", "limit": 200}, timeout=60
        ).json()["markets"]
        self.tickers = [row["ticker"] for row in markets if row["price_level_structure"] == "linear_cent"]
        for member in ("trader-1", "trader-2", "maker"):
            self._control("/member", {"member": member, "tier": "premier", "refill": True})
        self._control("/bots", {"active": True, "rfqs": {"per_second": per_second}})
        ours = Requester(desk, "trader-1")
        self.names = {
            name: member.call("GET", "/communications/id").json()["communications_id"]
            for name, member in (("desk", ours), ("bare", self.bare))
        }
        ours.close()

    def _control(self, path: str, body: dict[str, Any]) -> None:
        answer = httpx.post(f"{self.desk.paper['control_url']}{path}", json=body, timeout=60)
        assert answer.status_code == httpx.codes.OK, answer.text

    def through_the_desk(self, ticker: str) -> tuple[str, dict[str, Any]] | None:
        """Return (quote id, the exchange's record), None when the desk did not confirm it."""

        def quote(rfq_id: str) -> None:
            params = {"idempotency_key": str(uuid.uuid4()), "rfq_id": rfq_id, "policy": "auto", "max_move": "0.9"}
            told = self.trader.ask("quote.send", params=params | BIDS)
            assert "ok" in told, told

        rfq_id, quote_id = self._taken(ticker, "desk", quote)
        end = time.monotonic() + 5
        found = None
        while found is None and time.monotonic() < end:
            record = self._record(quote_id)
            if record["status"] in ("confirmed", "executed"):
                found = quote_id, record
            else:
                self.trader.hear(0.05)
        self._withdraw(rfq_id)
        return found

    def past_the_desk(self, ticker: str) -> float:
        """Return ms from the call of a signed PUT to its receipt."""

        def quote(rfq_id: str) -> None:
            body = {"rfq_id": rfq_id, "rest_remainder": False} | {name: f"{bid}00" for name, bid in BIDS.items()}
            answer = self.bare.call("POST", "/communications/quotes", body)
            assert answer.status_code == httpx.codes.CREATED, answer.text

        rfq_id, quote_id = self._taken(ticker, "bare", quote)
        began = time.time()
        answer = self.bare.call("PUT", f"/communications/quotes/{quote_id}/confirm", {})
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
        took = (_unix(self._record(quote_id)["confirmed_ts"]) - began) * 1000
        self._withdraw(rfq_id)
        return took

    def steps(self) -> dict[str, Steps]:
        """Return quote id -> when the desk did what; of accepts heard by a frame, not by a reading."""
        with closing(sqlite3.connect(self.desk.data / "desk.sqlite3", timeout=60)) as ledger:
            rows = ledger.execute(
                "SELECT q.quote_id, c.heard_at, c.decided_at, c.first_sent_at FROM rfq_confirmation c "
                "JOIN rfq_quote q ON q.id = c.quote_id WHERE c.heard_by = 'ws' AND c.first_sent_at IS NOT NULL"
            ).fetchall()
        return {
            quote_id: Steps(*(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for at in times))
            for quote_id, *times in rows
        }

    def why_not(self) -> Counter[str]:
        """Return why our quotes were not confirmed, with how many."""
        with closing(sqlite3.connect(self.desk.data / "desk.sqlite3", timeout=60)) as ledger:
            rows = ledger.execute(
                "SELECT state, reason FROM rfq_confirmation WHERE state NOT IN ('confirmed', 'executed')"
            )
            return Counter(f"{state} ({reason})" for state, reason in rows)

    def _taken(self, ticker: str, name: str, quote: Any) -> tuple[str, str]:
        """Ask, let somebody quote, take it. Returns the ids of request and quote."""
        body = {"market_ticker": ticker, "contracts": 1, "rest_remainder": False, "replace_existing": True}

        def asked() -> str:
            """A confirmed one can be neither withdrawn nor replaced before it is executed: wait for that."""
            made = self.asker.call("POST", "/communications/rfqs", body)
            if made.status_code == httpx.codes.CONFLICT or "QUOTE_REQUEST_EXCEEDS_LIMIT" in made.text:
                return ""
            assert made.status_code == httpx.codes.CREATED, made.text
            return str(made.json()["id"])

        rfq_id: str = eventually(asked, what="room for a request")
        quote(rfq_id)

        def there() -> str:
            listed = self.asker.call("GET", "/communications/quotes", rfq_id=rfq_id, rfq_user_filter="self")
            own = [row for row in listed.json()["quotes"] if row["creator_id"] == self.names[name]]
            return own[0]["id"] if own and own[0]["status"] == "open" else ""

        quote_id: str = eventually(there, what="a quote")
        answer = self.asker.call("PUT", f"/communications/quotes/{quote_id}/accept", {"accepted_side": "yes"})
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
        return rfq_id, quote_id

    def _withdraw(self, rfq_id: str) -> None:
        """End a request: a member may have a hundred open. One that executed in the meantime is gone (404)."""
        answer = self.asker.call("DELETE", f"/communications/rfqs/{rfq_id}")
        assert answer.status_code in (httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND), answer.text

    def _record(self, quote_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.asker.call("GET", f"/communications/quotes/{quote_id}").json()["quote"]
        return found


def _unix(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def line(name: str, values: list[float]) -> None:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:<52}{statistics.median(ordered):>9.1f}{p99:>9.1f}{ordered[-1]:>9.1f}   n={len(ordered)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accepts", type=int, default=100)
    parser.add_argument("--per-second", type=int, default=500, help="requests of bots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-rfq-") as folder:
        data = Path(folder) / "data"
        quiet = settings(data, markets=200)
        desk_settings = {"DESK_PAPER_OPTIONS": "--markets 200", "DESK_RFQ_FAST": quiet["DESK_RFQ_FAST"]}
        with running_desk(data, **desk_settings) as desk:
            measure = Measure(desk, per_second=options.per_second)
            bare, desk_times, unconfirmed = [], {}, 0
            for number in range(options.accepts):  # in turns, so that both meet the same machine
                ticker = measure.tickers[number % len(measure.tickers)]
                bare.append(measure.past_the_desk(ticker))
                found = measure.through_the_desk(measure.tickers[-1 - number % (len(measure.tickers) // 2)])
                if found is None:
                    unconfirmed += 1
                else:
                    desk_times[found[0]] = _unix(found[1]["confirmed_ts"])
            steps, why_not = measure.steps(), measure.why_not()
            measure.trader.close()
    known = [(steps[quote_id], at) for quote_id, at in desk_times.items() if quote_id in steps]
    through = [(at - one.heard) * 1000 for one, at in known]
    print(f"{'ms, ' + str(options.per_second) + ' requests a second flowing':<52}{'p50':>9}{'p99':>9}{'max':>9}")
    line("bare signed PUT to receipt", bare)
    if through:
        line("accept frame in to confirmation at the exchange", through)
        line("  over the bare median", [value - statistics.median(bare) for value in through])
        line("  frame in to decision stored", [(one.decided - one.heard) * 1000 for one, _ in known])
        line("  decision to first send", [(one.sent - one.decided) * 1000 for one, _ in known])
        line("  first send to receipt", [(at - one.sent) * 1000 for one, at in known])
    print(f"not confirmed: {unconfirmed} {dict(why_not)}; heard by reading: {len(desk_times) - len(through)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
