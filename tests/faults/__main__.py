"""`make faults`: many histories, several at a time, each worker with a desk of its own.

    python -m tests.faults [--histories 2000] [--first-seed 1] [--processes 2]
    python -m tests.faults --replay SEED

Ends with 1 when a history breaks a rule, or when a long run left out a kind of fault or a place to die.
"""

import argparse
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

CHUNK = 20
# A run of this many histories must have used every fault and every place.
WHOLE_RUN = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=int, default=WHOLE_RUN)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one history again, and make it short")
    options = parser.parse_args()
    # No power is cut here, so the database may lie in memory: a history is a thousand small commits.
    memory = Path("/dev/shm")
    folder = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="desk-faults-", dir=folder) as data:
        os.environ |= {"DESK_DATA": data, "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.test"}
        _prepare()
        if options.replay is not None:
            _settle(Path(data))
            return _replay(options.replay)
        return _campaign(options, Path(data))


def _prepare() -> None:
    import django

    django.setup()
    logging.disable(logging.CRITICAL)  # refused and lost calls are the point
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    connections.close_all()


def _settle(data: Path) -> None:
    """Give this process a database and a desk of its own."""
    from django.db import connection

    from tests.faults import work

    own = data / f"desk-{os.getpid()}.sqlite3"
    shutil.copy(data / "desk.sqlite3", own)
    connection.settings_dict["NAME"] = str(own)
    work.settle()


def _campaign(options: argparse.Namespace, data: Path) -> int:
    from tests.faults import work
    from tests.faults.campaign import Tally

    seeds = range(options.first_seed, options.first_seed + options.histories)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    total = Tally()
    began = time.monotonic()
    fork = multiprocessing.get_context("fork")
    with fork.Pool(options.processes, initializer=_settle, initargs=(data,)) as pool:
        for tally in pool.imap_unordered(work.search_and_shrink, chunks):
            total.merge(tally)
            if sys.stderr.isatty():
                print(f"\r{total.histories} of {options.histories} histories", end="", file=sys.stderr)
            if total.failure is not None:
                break
    seconds = time.monotonic() - began
    print(f"\n{total.histories} histories in {seconds:.0f} s ({total.histories / seconds:.1f} per second)")
    print(f"faults: {sum(total.faults.values())}")
    for name, number in total.faults.most_common():
        print(f"  {number:>6}  {name}")
    print(f"deaths: {sum(total.deaths.values())} at {len(total.deaths)} places")
    for name, number in total.deaths.most_common():
        print(f"  {number:>6}  {name}")
    print(f"slowest recovery after the faults ended: {total.slowest_heal_ms / 1000:.0f} s of the desk's time")
    if total.failure is not None:
        return _failed(total.failure)
    left_out = _left_out(total) if total.histories >= WHOLE_RUN else []
    for name in left_out:
        print(f"never happened in this run: {name}")
    print("no rule was broken" if not left_out else "the run is not whole")
    return 1 if left_out else 0


def _left_out(total: "Tally") -> list[str]:  # noqa: F821 - imported late: Django first
    from apps.core.killpoints import POINTS
    from tests.faults.exchange import READ_FAULTS, WRITE_FAULTS

    return [name for name in (*WRITE_FAULTS, *READ_FAULTS) if not total.faults[name]] + [
        f"death at {name}" for name in POINTS if not total.deaths[name]
    ]


def _replay(seed: int) -> int:
    from tests.faults import work

    tally = work.search_and_shrink(range(seed, seed + 1))
    if tally.failure is None:
        from tests.faults.steps import history_of

        print(history_of(seed))
        print("no rule was broken")
        return 0
    return _failed(tally.failure)


def _failed(result: "Result") -> int:  # noqa: F821
    print(f"\nA RULE WAS BROKEN. Seed {result.history.seed}; the shortest history that does it:")
    print(result.history)
    for problem in result.problems:
        print(f"  {problem}")
    print(f"again: python -m tests.faults --replay {result.history.seed}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
