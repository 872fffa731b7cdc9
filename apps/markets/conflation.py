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
        self._taken_at: dict[str, float] = {}

    def mark(self, topic: str) -> None:
        """The topic's state changed."""
        self._changed[topic] = None

    def take(self, now: float) -> list[str]:
        """Return the topics that are due and count them as published at `now`."""
        due = [
            topic for topic in self._changed if now - self._taken_at.get(topic, now - self.interval) >= self.interval
        ]
        for topic in due:
            del self._changed[topic]
            self._taken_at[topic] = now
        return due

    def next_at(self, now: float) -> float | None:
        """Return when the next topic is due (`now` or later), None when nothing changed."""
        moments = [self._taken_at.get(topic, now - self.interval) + self.interval for topic in self._changed]
        return max(now, min(moments)) if moments else None

    def failed(self, topics: Iterable[str]) -> None:
        """These were taken and did not get out: due again after the interval."""
        for topic in topics:
            self._changed.setdefault(topic)

    def forget(self, topic: str) -> None:
        """Nobody wants the topic any more."""
        self._changed.pop(topic, None)
        self._taken_at.pop(topic, None)
