"""Execution reports per second through the desk's FIX side, as a share of bare decode in the same run.

Each step includes those before it, on the same bytes of trades with fees and positions:

* frame and decode: bytes to fields, length and checksum checked
* validate: against the exchange's dictionary
* session: sequence, held numbers and the store of a retained session (KalshiRT)
* typed: exact numbers of the report

* ledger: the same from the bytes to orders, fills, execution ids and what reconciliation keeps, on an empty SQLite

With --orders N: the round trip of N orders by FIX and by REST in turn, from the sender's claim to the stored answer.
Both go to one paper exchange in a process of its own, with a Redis; the FIX session runs as in the gateway.

    python benchmarks/fix.py [--reports 20000] [--repeat 5] [--orders 100]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from apps.fix.engine.codec import Fields, Framer, Message, encode  # noqa: E402
from apps.fix.engine.dictionary import kalshi  # noqa: E402
from apps.fix.engine.outputs import Deliver  # noqa: E402
from apps.fix.engine.rules import Kind  # noqa: E402
from apps.fix.engine.session import Session, SessionConfig  # noqa: E402
from apps.fix.engine.store import FileStore  # noqa: E402
from apps.fix.engine.validate import check  # noqa: E402
from apps.fix.engine.values import timestamp_write  # noqa: E402
from apps.fix.messages.common import Prices  # noqa: E402
from apps.fix.messages.orders import ExecutionReport  # noqa: E402
from benchmarks import fix_orders  # noqa: E402

NOW = 1_754_550_000_000
KEY = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
CHUNK = 65_536
MOST_STORED = 500  # reports that go as far as the ledger


def fields(kind: str, seq: int, body: Fields) -> Fields:
    return [(35, kind), (49, "Kalshi"), (56, KEY), (34, str(seq)), (52, timestamp_write(NOW)), *body]


def trade(number: int) -> Fields:
    return [
        *[(37, f"3d1f6c0a-0000-4000-8000-{number:012d}"), (11, f"5e2b1c9f-0000-4000-8000-{number:012d}")],
        *[(17, f"{number};1"), (150, "F"), (39, "1"), (54, "1"), (55, "KXHIGHNY-26NOV22-T60"), (151, "6.00")],
        *[(14, "4.00"), (6, "0.5500"), (31, "0.5500"), (32, "4.00"), (38, "10.00"), (44, "0.5600")],
        *[(60, timestamp_write(NOW)), (880, f"9a7c2e11-0000-4000-8000-{number:012d}"), (1057, "Y")],
        *[(704, "4.00"), (705, "0.00"), (136, "1"), (137, "0.07"), (138, "USD"), (139, "4"), (891, "0")],
    ]


def decode_only(stream: list[bytes]) -> int:
    framer = Framer()
    return sum(isinstance(one, Message) for chunk in stream for one in framer.feed(chunk))


def validated(stream: list[bytes]) -> int:
    framer, dictionary = Framer(), kalshi()
    return sum(
        isinstance(one, Message) and check(one, dictionary) is None for chunk in stream for one in framer.feed(chunk)
    )


def through_session(stream: list[bytes], *, typed: bool) -> int:
    prices, done = Prices(in_dollars=True), 0
    with tempfile.TemporaryDirectory(prefix="fix-benchmark-") as folder:
        store = FileStore(Path(folder) / "s.fix")
        session = Session(SessionConfig(Kind.RT, KEY), store, lambda text: "c2ln")
        session.connected(NOW)
        session.received(encode(fields("A", 1, [(98, "0"), (108, "30"), (1137, "9")])), NOW)
        for chunk in stream:
            for one in session.received(chunk, NOW):
                if isinstance(one, Deliver):
                    if typed:
                        ExecutionReport.read(one.message, prices)
                    session.applied(one.seq)
                    done += 1
        store.close()
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--orders", type=int, default=0)
    options = parser.parse_args()
    data = b"".join(encode(fields("8", number + 2, trade(number))) for number in range(options.reports))
    stream = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    steps: dict[str, Callable[[list[bytes]], int]] = {
        "frame and decode": decode_only,
        "+ validate": validated,
        "+ session and store": lambda given: through_session(given, typed=False),
        "+ typed report": lambda given: through_session(given, typed=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.repeat):
        for name, step in steps.items():
            began = time.process_time()
            if step(stream) != options.reports:
                print(f"{name}: reports are missing", file=sys.stderr)
                return 1
            rates[name].append(options.reports / (time.process_time() - began))
    bare = statistics.median(rates["frame and decode"])
    print(f"{options.reports} reports of {len(data) // options.reports} bytes, median of {options.repeat}, CPU time")
    with fix_orders.desk() as folder:
        ledger = fix_orders.ledger_steps(fix_orders.an_account("ledger").pk, Prices(in_dollars=True))
        rates["as far as the ledger"] = []
        few = min(options.reports, MOST_STORED)
        stored = [b"".join(encode(fields("8", number + 2, trade(number))) for number in range(few))]
        for _ in range(options.repeat):
            fix_orders.ledger_empty()
            began = time.process_time()
            if ledger(stored) != few:
                print("the ledger: reports are missing", file=sys.stderr)
                return 1
            rates["as far as the ledger"].append(few / (time.process_time() - began))
        for name, found in rates.items():
            rate = statistics.median(found)
            print(f"{name:22} {rate:10,.0f}/s   {rate / bare:6.3f} of bare decode")
        if options.orders:
            print(fix_orders.told(fix_orders.orders_side_by_side(folder, options.orders)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
