"""Names of live topics: `kind:scope:name`. See docs/realtime.md.

A topic of market data is scoped to an environment, a private one to an account (its row id).
"""

from dataclasses import dataclass

from apps.core.errors import WireFormatError


@dataclass(frozen=True, slots=True)
class TopicName:
    kind: str
    scope: str  # environment name, or account id as decimal digits
    name: str = ""  # market ticker where the kind has one

    def __str__(self) -> str:
        return f"{self.kind}:{self.scope}:{self.name}" if self.name else f"{self.kind}:{self.scope}"


def parse_topic(raw: str) -> TopicName:
    """Raises WireFormatError for anything but `kind:scope` or `kind:scope:name`."""
    parts = raw.split(":", 2)
    if len(raw) > 200 or len(parts) < 2 or not all(parts):
        raise WireFormatError(f"not a topic: {raw[:200]!r}")
    return TopicName(*parts)
