"""Log lines for people (one line of text) and for programs (one JSON object), each with the id of its click."""

import json
import logging
import re
from datetime import UTC, datetime
from types import TracebackType

from apps.core.trace import trace_id

# What moves a terminal's cursor, ends a line, or turns the direction of the text that follows.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Return text in which nothing ends the line or moves what stands around it; such characters are shown escaped."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class TraceFilter(logging.Filter):
    """Adds `trace` to every record; "-" outside of any click."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.trace = trace_id() or "-"
        return True


class LineFormatter(logging.Formatter):
    """One line per record, whatever people or the exchange wrote into it. Lines of a traceback begin with a bar."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return _barred(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _barred(super().formatStack(stack_info))


def _barred(text: str) -> str:
    # A message of an exception may have lines of its own: none of them may look like a record.
    return "\n".join(f"    | {one_line(line)}" for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    """One object per line: at (UTC), level, logger, process, trace, message, and error with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "trace": getattr(record, "trace", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=True)
