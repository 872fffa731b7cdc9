"""When to publish what: newest wins, the first change at once, never more often than the interval.

Pure: time is an argument. A topic that is marked stays due until it was taken, and a taken topic
that could not be published is marked again, so that the last state always goes out.
"""

from collections.abc import Iterable


class Conflator:
    """Keeps which topics changed since they were last published.

    Args:
        interval: seconds between two publications of one topic.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._changed: dict[str, None] = {}  # a set that keeps its order
        # The moment itself is kept, not the one before it: now - before >= interval and
        # before + interval <= now differ by rounding, and a loop that waits for one spins on the other.
        self._earliest: dict[str, float] = {}

    def mark(self, topic: str) -> None:
        """The topic's state changed."""
        self._changed[topic] = None

    def take(self, now: float) -> list[str]:
        """Return the topics that are due and count them as published at `now`."""
        due = [topic for topic in self._changed if self._earliest.get(topic, now) <= now]
        for topic in due:
            del self._changed[topic]
            self._earliest[topic] = now + self.interval
        return due

    def next_at(self, now: float) -> float | None:
        """Return when the next topic is due (`now` or later), None when nothing changed."""
        if not self._changed:
            return None
        return max(now, min(self._earliest.get(topic, now) for topic in self._changed))

    def failed(self, topics: Iterable[str]) -> None:
        """These were taken and did not get out: due again after the interval."""
        for topic in topics:
            self._changed.setdefault(topic)

    def forget(self, topic: str) -> None:
        """Nobody wants the topic any more."""
        self._changed.pop(topic, None)
        self._earliest.pop(topic, None)
