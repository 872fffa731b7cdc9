"""One readable log of all processes: to the terminal and to a file that is rotated."""

import contextlib
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92")


class Log:
    """Joins the lines of the children; a line longer than 16 kB is cut."""

    def __init__(self, folder: Path) -> None:
        self._partial: dict[str, bytes] = {}
        self._names: list[str] = []
        self._is_terminal = sys.stdout.isatty()
        handler = RotatingFileHandler(folder / "desk.log", maxBytes=10_000_000, backupCount=5, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._file = logging.Logger("desk-log")
        self._file.addHandler(handler)
        (folder / "desk.log").chmod(0o600)

    def line(self, name: str, text: str) -> None:
        if name not in self._names:
            self._names.append(name)
        label = f"{name:<8} | "
        self._file.info("%s%s", label, text)
        if self._is_terminal:
            colour = _COLOURS[self._names.index(name) % len(_COLOURS)]
            label = f"\x1b[{colour}m{label}\x1b[0m"
        # The terminal may be gone (a closed window); the file still has the line.
        with contextlib.suppress(OSError, ValueError):
            print(label + text, flush=True)  # noqa: T201 - this is the log

    def feed(self, name: str, data: bytes) -> None:
        """Take raw output of a child and write its whole lines."""
        buffer = self._partial.get(name, b"") + data
        *lines, rest = buffer.split(b"\n")
        if len(rest) > 16_384:
            lines.append(rest)
            rest = b""
        self._partial[name] = rest
        for raw in lines:
            text = raw.decode("utf-8", "replace").rstrip()
            if text:
                self.line(name, text)

    def close(self, name: str) -> None:
        rest = self._partial.pop(name, b"")
        if rest.strip():
            self.line(name, rest.decode("utf-8", "replace").rstrip())
