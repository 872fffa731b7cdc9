"""`python manage.py paper`: the paper exchange as a process of its own. Switches: docs/paper-exchange.md."""

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.paper.fix.acceptor import FixOptions
from apps.paper.server.run import Options, StartError, run

LAST_FIX_PORT = 65_531  # five in a row


class Command(BaseCommand):
    help = "Run the paper exchange: Kalshi's REST and WebSocket on this machine, with bots or recorded frames."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=18080, help="0 picks a free one (default 18080)")
        parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="for paper.json and keys")
        parser.add_argument("--seed", type=int, default=1, help="same seed, same world and bots")
        parser.add_argument("--no-bots", action="store_true", help="nobody trades but the members")
        parser.add_argument("--markets", type=int, metavar="N", help="how many markets the world has; 0 for none")
        parser.add_argument(
            "--replay", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help="recorded .ndjson.gz"
        )
        parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="times recorded pace; 0: no waiting")
        parser.add_argument("--replay-loop", action="store_true", help="start again at the end")
        parser.add_argument("--replay-start", choices=("now", "control"), default="now", help="control: wait for it")
        parser.add_argument("--replay-keep-times", action="store_true", help="send ts as recorded, not as of now")
        parser.add_argument(
            "--determine-after",
            type=_seconds_or_never,
            default=60,
            metavar="SECONDS|never",
            help="how long after its close a market gets its result (default 60)",
        )
        parser.add_argument("--edition", choices=("3.18", "3.28"), default="3.18", help="of the Trade API")
        parser.add_argument(
            "--maintenance",
            choices=("off", "trading", "exchange"),
            default="off",
            help="what pauses on Thursdays from 3 to 5 AM in New York (default off)",
        )
        parser.add_argument(
            "--history-age", type=int, default=90 * 86_400, metavar="SECONDS", help="older is historical (90 days)"
        )
        parser.add_argument(
            "--history-fills", type=int, default=0, metavar="N", help="give trader-1 a past day of N fills, once"
        )
        parser.add_argument("--history-subaccounts", type=int, default=1, metavar="M", help="over 0 to M-1")
        parser.add_argument(
            "--fix-port",
            type=_port_or_off,
            default=0,
            metavar="N|off",
            help="first of the five ports for FIX; 0 picks free ones (default), off: no FIX",
        )
        parser.add_argument(
            "--fix-tls",
            type=Path,
            nargs="*",
            metavar="CERT KEY",
            help="TLS for FIX, with these PEM files; without them with a certificate of its own in DIR",
        )
        parser.add_argument("--manual-clock", type=int, metavar="UNIX_MS", help="time moves only by /control/clock")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, most in (
            ("port", 65_535),
            ("speed", 1_000_000),
            ("markets", 1_000_000),
            ("history_age", 3_153_600_000),
            ("history_fills", 10_000_000),
        ):
            if options[name] is not None and not 0 <= options[name] <= most:
                self.stderr.write(f"--{name.replace('_', '-')} must be 0 to {most}.")
                sys.exit(2)
        if options["fix_tls"] is not None and len(options["fix_tls"]) not in (0, 2):
            self.stderr.write("--fix-tls takes a certificate and its key, or neither.")
            sys.exit(2)
        chosen = Options(
            data=options["data"],
            port=options["port"],
            seed=options["seed"],
            bots=not options["no_bots"],
            markets=options["markets"],
            replay=tuple(options["replay"]),
            speed=options["speed"],
            replay_loop=options["replay_loop"],
            replay_keep_times=options["replay_keep_times"],
            replay_start=options["replay_start"],
            manual_clock_ms=options["manual_clock"],
            determine_after_seconds=options["determine_after"],
            edition=options["edition"],
            maintenance=options["maintenance"],
            history_age_seconds=options["history_age"],
            history_fills=options["history_fills"],
            history_subaccounts=options["history_subaccounts"],
            fix=None if options["fix_port"] is None else _fix(options["fix_port"], options["fix_tls"]),
        )
        try:
            run(chosen, say=self._say)
        except StartError as exc:
            self.stderr.write(str(exc))
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(130)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _fix(port: int, tls: list[Path] | None) -> FixOptions:
    """tls: None for plain TCP, no files for a certificate of its own."""
    cert, key = tls or (None, None)
    return FixOptions(port, cert, key, own_cert=tls == [])


def _port_or_off(text: str) -> int | None:
    if text == "off":
        return None
    if not text.isdigit() or int(text) > LAST_FIX_PORT:
        raise ArgumentTypeError(f"a port up to {LAST_FIX_PORT}, 0 or off")
    return int(text)


def _seconds_or_never(text: str) -> int | None:
    if text == "never":
        return None
    if not text.isdigit() or int(text) > 31_536_000:
        raise ArgumentTypeError("seconds (at most a year) or never")
    return int(text)
