"""Log lines for people (one line of text) and for programs (one JSON object), each with the id of its click."""

import json
import logging
from datetime import UTC, datetime

from apps.core.trace import trace_id


class TraceFilter(logging.Filter):
    """Adds `trace` to every record; "-" outside of any click."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.trace = trace_id() or "-"
        return True


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
