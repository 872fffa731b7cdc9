"""`manage.py kill` before Django is set up: hold everything back, and go to the exchange.

Setting up Django takes longer than all of this, and needs more that can be broken. So manage.py calls `main` first. It
leaves to the command proper (apps/monitoring/management/commands/kill.py) whatever needs the database, and that makes a
pass of its own afterwards. Contract: docs/monitoring.md.
"""

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.core.errors import DeskError
from apps.core.timestamps import unix_ms_now
from apps.monitoring.services.direct import Told, direct_pass
from apps.orders import killed
from apps.vault.emergency_file import emergency_path, sealed_read

LEFT, CANNOT = 1, 2
PAUSE = 1.0  # seconds between two passes
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Options:
    """What `add_arguments` names. desk "": every desk. timeout: seconds to go on while something is left."""

    why: str
    desk: str
    vault_key: str
    keys: str
    timeout: int
    no_database: bool


class Failed(Exception):
    """What was wanted is not done; the words, and the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--why", default="", help="what others will read")
    parser.add_argument("--desk", default="", help="slug of one desk; every desk when not given")
    parser.add_argument("--vault-key", default="", help="the vault's private key file")
    parser.add_argument("--keys", default="", help="a file of emergency keys from elsewhere")
    parser.add_argument("--timeout", type=int, default=60, help="seconds to go on while something is left")
    parser.add_argument("--no-database", action="store_true", help="do not even try the database")


def main(arguments: Sequence[str]) -> int | None:
    """Do what can be done at once. Returns the exit code, or None: the command proper goes on from here."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    add_arguments(parser)
    try:
        given, others = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return None
    if others:
        return None
    options = Options(**vars(given))
    if options.desk and not options.no_database and not _is_in_file(options):
        return None  # whether there is such a desk is in the database
    hold_back(options, say=_out, warn=_err)
    if not options.no_database:
        _at_once(options)
        return None
    try:
        until_clear(options, say=_out)
    except Failed as exc:
        _err(f"CommandError: {exc}")
        return exc.code
    return 0


def hold_back(options: Options, *, say: Say, warn: Say) -> None:
    """Write the file that every check before an order looks for."""
    marker = killed.Marker(at_ms=unix_ms_now(), why=options.why[:200], desk_slug=options.desk, by_text=_user())
    try:
        killed.write(marker)
    except OSError as exc:
        # A full disk must not keep anybody from cancelling.
        warn(f"The file that holds back orders was not written: {exc}. Stop the desk as well.")
    else:
        say("Every order of this machine is held back.")


def until_clear(options: Options, *, say: Say) -> None:
    """Make passes until the exchange lists nothing any more. Raises Failed."""
    end = time.monotonic() + options.timeout
    has_triggered = False
    while True:
        try:
            told = _pass(options, has_triggered=has_triggered)
        except DeskError as exc:
            raise Failed(f"The exchange was not asked: {exc.text} Cancel there by hand.", CANNOT) from None
        for one in told:
            say(one.words)
        has_triggered = all(one.done.groups == 0 for one in told)
        if all(one.is_clean for one in told):
            say("Nothing is left at the exchange. Release: manage.py release, or the page.")
            return
        if time.monotonic() >= end:
            raise Failed("Something is left: see above, and run this again.", LEFT)
        time.sleep(PAUSE)


def _at_once(options: Options) -> None:
    """One pass before the database is asked: nothing that hangs there keeps an order resting."""
    try:
        told = _pass(options)
    except DeskError as exc:
        _err(f"The exchange was not asked yet: {exc.text}")
        return
    for one in told:
        _out(one.words)


def _pass(options: Options, *, has_triggered: bool = False) -> list[Told]:
    private_key = options.vault_key or settings.VAULT_PRIVATE_KEY_FILE or settings.DATA_DIR / "vault" / "private.pem"
    return direct_pass(
        private_key=Path(private_key),
        desk_slug=options.desk,
        keys=Path(options.keys) if options.keys else emergency_path(),
        has_triggered=has_triggered,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, a number without a name
        return f"user {os.getuid()}"


def _is_in_file(options: Options) -> bool:
    try:
        return any(one.desk_slug == options.desk for one in sealed_read(emergency_path()))
    except DeskError:
        return False


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _err(text: str) -> None:
    sys.stderr.write(f"{text}\n")
