"""The health of the connection: silence, and how long to wait before the next one. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# Seconds. The exchange pings every 10 s (docs:connection_keep_alive); we ping more often.
SILENT_AFTER = 12.0
DEAD_AFTER = 25.0
_STABLE_AFTER = 30.0  # a connection that lasted so long starts the back-off anew
_RECONNECT_MOST = 30.0
_REFUSED_LEAST = 10.0  # at most six logons a minute while the exchange refuses them


@dataclass(slots=True)
class Line:
    """is_heard is set by whoever hears something, and cleared by `watch`. Times: monotonic seconds."""

    is_heard: bool = False
    is_silent: bool = False
    heard_at: float = 0.0
    _since: float | None = None
    _failures: int = 0

    def up(self, now: float) -> None:
        self._since = self.heard_at = now
        self.is_heard = self.is_silent = False

    def down(self, now: float, *, refused: bool, draw: Callable[[], float]) -> float:
        """Return the seconds to wait before the next attempt: exponential, capped, with jitter."""
        lasted = 0.0 if self._since is None else now - self._since
        self._since = None
        self._failures = 1 if lasted > _STABLE_AFTER else self._failures + 1
        most = min(_RECONNECT_MOST, 0.5 * 2.0 ** min(self._failures - 1, 10))
        wait: float = most * (0.5 + 0.5 * draw())
        return max(wait, _REFUSED_LEAST) if refused else wait

    def watch(self, now: float) -> Literal["back", "silent", "dead"] | None:
        """Return what changed since the last look; "dead" for as long as it is."""
        if self.is_heard:
            self.is_heard = False
            self.heard_at = now
            if self.is_silent:
                self.is_silent = False
                return "back"
        silence = now - self.heard_at
        if silence >= DEAD_AFTER:
            self.is_silent = True
            return "dead"
        if silence > SILENT_AFTER and not self.is_silent:
            self.is_silent = True
            return "silent"
        return None
