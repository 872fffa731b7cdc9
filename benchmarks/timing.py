"""What the time of an answer tells: somebody who exists from somebody who does not, an object of others from none.

    .venv/bin/python -m benchmarks.timing [--tries 100]

Evidence for checks 2 and 13 of docs/security.md. Real parts: the whole stack of the desk with its own password hasher,
over Django's client in one process, on SQLite. What is measured is this process's computing time: the same work takes
the same, whatever else the machine does, and the network and its load would only hide more. The two cases come in
random order. Printed: medians, the difference of the means (the slowest tenth of each cut off) with its 95 % interval,
and how often a guesser with one look would be right, by the midpoint of both medians: 50 % is a coin.
"""

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description="what the time of an answer tells")
    parser.add_argument("--tries", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-timing-") as folder:
        os.environ |= {"DESK_DATA": folder, "DESK_SECRET_KEY": "benchmark-only-" * 5, "DESK_LOG": "WARNING"}
        os.environ |= {"REDIS_URL": f"unix://{folder}/none.sock", "DESK_SECOND_FACTOR": "nobody"}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")
        run(options.tries)


def run(tries: int) -> None:
    import django

    django.setup()
    import logging

    from django.conf import settings
    from django.core.management import call_command

    settings.CACHES["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.ACCOUNT_RATE_LIMITS = False
    logging.disable(logging.WARNING)
    settings.STATIC_ROOT.mkdir()
    call_command("migrate", interactive=False, verbosity=0)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {tries} tries of each")
    _sign_in(tries)
    _objects(tries)


def _sign_in(tries: int) -> None:
    from django.test import Client

    from apps.accounts.models import SignInTry
    from tests.support.people import make_desk, make_person

    person = make_person(make_desk(), "trader")

    def attempt(name: str) -> Callable[[], None]:
        def go() -> None:
            answer = Client().post("/accounts/login/", {"login": name, "password": "wrong-password"})
            assert answer.status_code == 200

        return go

    # The same length as the name that exists, which a form shows again.
    unknown = "x" * len(person.username)
    told(
        "sign-in, a person who exists against one who does not",
        compare(attempt(person.username), attempt(unknown), tries, before=lambda: SignInTry.objects.all().delete()),
    )


def _objects(tries: int) -> None:
    from tests.orders.conftest import make_trade_key
    from tests.support.people import client_of, make_account, make_desk, make_person

    desk = make_desk()
    browser = client_of(make_person(desk, "vault-admin"))
    make_trade_key(make_account(desk))
    theirs = make_trade_key(make_account(make_desk())).pk
    none = theirs + 1_000

    def look(pk: int) -> Callable[[], None]:
        def go() -> None:
            answer = browser.get(f"/settings/vault/keys/{pk}/")
            assert answer.status_code == 404, answer.status_code

        return go

    told("a key of another desk against none", compare(look(theirs), look(none), tries))


def compare(
    one: Callable[[], None], other: Callable[[], None], tries: int, *, before: Callable[[], object] = lambda: None
) -> tuple[list[float], list[float]]:
    """Milliseconds of each, in random order."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        before()
        one()
        before()
        other()
    order = [0, 1] * tries
    random.Random(1).shuffle(order)
    for which in order:
        before()
        began = time.process_time()
        (one, other)[which]()
        took[which].append((time.process_time() - began) * 1e3)
    return took


def told(what: str, took: tuple[list[float], list[float]]) -> None:
    medians = [statistics.median(side) for side in took]
    cut = [sorted(side)[: len(side) * 9 // 10] for side in took]
    difference = statistics.fmean(cut[0]) - statistics.fmean(cut[1])
    error = math.sqrt(sum(statistics.variance(side) / len(side) for side in cut))
    middle = sum(medians) / 2
    slow = 0 if medians[0] >= medians[1] else 1
    right = sum(one > middle for one in took[slow]) + sum(one <= middle for one in took[1 - slow])
    print(
        f"{what}: medians {medians[0]:.2f} and {medians[1]:.2f} ms, difference {difference:+.2f} ms "
        f"(95 %: {difference - 1.96 * error:+.2f} to {difference + 1.96 * error:+.2f}), "
        f"one look is right {100 * right / sum(map(len, took)):.0f} % of the time",
        flush=True,
    )


if __name__ == "__main__":
    main()
