"""Fuzz targets of the FIX codec, the validation, the messages and the session: any bytes, no crash, no hang.

    python -m tests.fix.fuzz [--what codec|messages|session|all] [--runs 10000000] [--seconds 600] [--seed 1]
                             [--max-len 512] [--corpus DIR]

With atheris (libFuzzer, coverage-guided) where it is installed; else with mutations of real messages. Either way half
of the inputs get the length and checksum that they should have, so that they come past the framing. Every input is also
read in two pieces: the same messages must come out. Any exception but those that the functions promise ends the run,
and so does an input that takes longer than HANG_SECONDS.
"""

import argparse
import contextlib
import faulthandler
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import SOH, Fields, Framer, Message, decode, encode
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.errors import NotEncodable
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind
from apps.fix.engine.session import Session, SessionConfig
from apps.fix.engine.store import MemoryStore
from apps.fix.engine.validate import check
from apps.fix.engine.values import timestamp_write
from apps.fix.messages import drop_copy, groups, market_data, orders, post_trade, rfq
from apps.fix.messages.common import Prices

NOW = 1_795_021_200_000
KEY = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
DOLLARS = Prices()
READERS: list[Callable[[Message], object]] = [
    lambda message: orders.ExecutionReport.read(message, DOLLARS),
    orders.CancelReject.read,
    orders.MassCancelReport.read,
    orders.Refusal.read,
    groups.GroupResponse.read,
    post_trade.SettlementReport.read,
    rfq.RequestHeard.read,
    rfq.QuoteHeard.read,
    rfq.Answer.read,
    lambda message: rfq.QuoteStatus.read(message, DOLLARS),
    market_data.Books(("BTC-PERP",)).take,
    market_data.reject_text,
    lambda message: drop_copy.Recovery(drop_copy.ExecId(1, 1)).answer(message, NOW),
]


HANG_SECONDS = 5
MEASURED = ("apps.fix.engine.", "apps.fix.messages.")


def codec_target(data: bytes) -> list[Message]:
    """Frame, decode, validate and write one input again; return its messages. Raises what nobody promised."""
    whole = list(Framer().feed(data))
    cut = data[0] % (len(data) + 1) if data else 0
    framer = Framer()
    pieces = [*framer.feed(data[:cut]), *framer.feed(data[cut:])]
    messages = [one for one in whole if isinstance(one, Message)]
    if [one.fields for one in messages] != [one.fields for one in pieces if isinstance(one, Message)]:
        raise AssertionError("cut in two it reads otherwise")
    for message in messages:
        check(message, kalshi())
        try:
            again = decode(encode(message.fields[2:-1]))
        except (NotEncodable, WireFormatError):
            continue
        assert again.fields[2:-1] == message.fields[2:-1], "what was read is not what is written"
    return messages


def messages_target(data: bytes) -> None:
    """Read what is in one input as every kind of message."""
    for message in codec_target(data):
        for read in READERS:
            with contextlib.suppress(WireFormatError):
                read(message)


def session_target(data: bytes) -> None:
    """Give one input to a session that is logged on."""
    session = Session(SessionConfig(Kind.RT, KEY, LogonFlags()), MemoryStore(), lambda text: "c2ln")
    session.connected(NOW)
    session.received(LOGON, NOW)
    session.received(data, NOW)
    session.tick(NOW + 1)


def target(data: bytes) -> None:
    """Read one input every way that bytes of the exchange are read."""
    messages_target(data)
    session_target(data)


TARGETS: dict[str, Callable[[bytes], object]] = {
    "codec": codec_target,
    "messages": messages_target,
    "session": session_target,
    "all": target,
}


def of_exchange(kind: str, body: Fields, seq: int = 2) -> bytes:
    head = [(35, kind), (49, "Kalshi"), (56, KEY), (34, str(seq)), (52, timestamp_write(NOW))]
    return encode([*head, *body])


LOGON = of_exchange("A", [(98, "0"), (108, "30"), (1137, "9")], 1)
_ORDER: Fields = [(37, "o"), (11, "c"), (17, "4;7"), (150, "0"), (39, "0"), (54, "1"), (55, "KXHIGHNY-26NOV22-T60")]
_COUNTS: Fields = [(151, "6.00"), (14, "4.00"), (6, "0.55"), (38, "10.00"), (44, "0.5600")]
_TRADE: Fields = [
    (31, "0.55"),
    (32, "4.00"),
    (880, "t"),
    (1057, "Y"),
    (136, "1"),
    (137, "0.07"),
    (138, "USD"),
    (139, "4"),
]
SEEDS = [
    LOGON,
    of_exchange("8", [*_ORDER, *_COUNTS, (60, timestamp_write(NOW))]),
    of_exchange("8", [*_ORDER, *_COUNTS, *_TRADE, (139, "4"), (891, "0")]),
    of_exchange("9", [(37, "o"), (11, "c"), (41, "b"), (39, "0"), (434, "1"), (102, "1"), (58, "UNKNOWN_ORDER")]),
    of_exchange("2", [(7, "1"), (16, "0")]),
    of_exchange("4", [(123, "Y"), (36, "9")]),
    of_exchange("1", [(112, "a")]),
    of_exchange("5", [(58, "bye")]),
    of_exchange("3", [(45, "2"), (371, "11"), (372, "D"), (373, "1")]),
    of_exchange("j", [(45, "2"), (372, "D"), (380, "8"), (58, "Rate limit")]),
    of_exchange("UOH", [(20130, "770e8400-e29b-41d4-a716-446655440002"), (20132, "50")]),
    of_exchange("U2", [(45, "2"), (21003, "7")]),
    of_exchange("W", [(55, "BTC-PERP"), (268, "2"), (269, "0"), (270, "19.5000"), (271, "10.00"), (269, "1"),
                      (270, "19.5100"), (271, "5.00")]),
    of_exchange("X", [(268, "1"), (279, "1"), (55, "BTC-PERP"), (269, "0"), (270, "19.5000"), (271, "15.00")]),
    of_exchange("Y", [(281, "4"), (58, "no")]),
    of_exchange("UMS", [(20105, "s"), (55, "T"), (715, "20261118"), (20107, "yes"), (730, "100.00"), (20108, "1"),
                        (20109, "u"), (20110, "24"), (704, "10"), (705, "0"), (893, "Y")]),
]  # fmt: skip


def mutated(dice: random.Random) -> bytes:
    """A real message, or two, changed in a few places."""
    data = bytearray(b"".join(dice.choice(SEEDS) for _ in range(dice.choice((1, 1, 1, 2)))))
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(data)) if data else 0
        match dice.randrange(6):
            case 0 if data:
                data[at] = dice.randrange(256)
            case 1:
                data[at:at] = bytes([dice.choice(b"\x010123456789=;-.YN\x00\xff")])
            case 2:
                del data[at : at + dice.randrange(1, 12)]
            case 3:
                data[at:at] = data[at : at + dice.randrange(1, 40)]
            case 4:
                data[at:at] = b"\x01%d=%s\x01" % (dice.randrange(22_000), bytes(dice.choices(range(256), k=3)))
            case _:
                data += dice.choice(SEEDS)
    return repaired(bytes(data)) if dice.random() < 0.5 else bytes(data)


def repaired(data: bytes) -> bytes:
    """The same with the length and checksum that its bytes have."""
    soh = SOH.encode() if isinstance(SOH, str) else SOH
    inner = data.partition(soh)[2].partition(soh)[2].rpartition(soh + b"10=")[0] + soh
    head = b"8=FIXT.1.1" + soh + b"9=%d" % len(inner) + soh + inner
    return head + b"10=%03d" % (sum(head) % 256) + soh


def by_chance(runs: int, seconds: float, seed: int, what: str = "all") -> int:
    """Mutate until one of both is reached; return how many inputs were read."""
    dice, until, read = random.Random(seed), time.monotonic() + seconds, TARGETS[what]
    for number in range(runs):
        data = mutated(dice)
        try:
            read(data)
        except Exception:
            print(f"input {number} of seed {seed}: {data.hex()}", file=sys.stderr)
            raise
        if number % 256 == 0 and time.monotonic() > until:
            return number + 1
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=sorted(TARGETS), default="all")
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-len", type=int, default=512)
    parser.add_argument("--corpus", type=Path, default=None, help="kept and taken up by the next run (atheris)")
    options = parser.parse_args()
    for seed in SEEDS:
        TARGETS[options.what](seed)
    try:
        import atheris
    except ImportError:
        faulthandler.dump_traceback_later(options.seconds + 60, exit=True)  # a hang ends the run too
        began = time.process_time()
        done = by_chance(options.runs, options.seconds, options.seed, options.what)
        faulthandler.cancel_dump_traceback_later()
        spent = time.process_time() - began
        print(f"{done:,} inputs in {spent:.0f} s of CPU ({done / spent:,.0f}/s), no crash, no hang (mutations)")
        return 0
    instrument(atheris)
    with tempfile.TemporaryDirectory() as own:
        corpus = options.corpus or Path(own)
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(SEEDS):
            (corpus / f"seed-{number:02d}").write_bytes(seed)
        limits = [f"-runs={options.runs}", f"-max_total_time={options.seconds}", f"-timeout={HANG_SECONDS}"]
        limits += [f"-seed={options.seed}", f"-max_len={options.max_len}", f"-artifact_prefix={corpus.parent}/"]

        def mutate(data: bytes, size: int, seed: int) -> bytes:
            changed: bytes = atheris.Mutate(data, size)
            return repaired(changed)[:size] if seed % 2 else changed

        atheris.Setup([sys.argv[0], *limits, str(corpus)], TARGETS[options.what], custom_mutator=mutate)
        atheris.Fuzz()
    return 0


def instrument(atheris: Any) -> None:
    """Have the engine's and the messages' functions counted by the fuzzer: all others would only cost time."""
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and (one.__module__ or "").startswith(MEASURED):
            atheris.instrument_func(one)


if __name__ == "__main__":
    sys.exit(main())
