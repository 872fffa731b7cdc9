from collections.abc import Callable

import pytest

from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import InProcessPaper, private_key
from tests.paper.fix.client import FixClient
from tests.support.paper import paper_process, paper_processes  # noqa: F401

Connect = Callable[..., FixClient]
NOON_MS = 1_795_021_200_000  # Wednesday, 2026-11-18, noon in New York


@pytest.fixture
def fix() -> InProcessFix:
    """The gateway in front of the in-process exchange."""
    return InProcessFix(InProcessPaper(now_ms=NOON_MS))


@pytest.fixture
def connect(fix: InProcessFix) -> Connect:
    """A client of a member on a session type, not logged on yet."""

    def make(
        name: str = "trader-1", target: str = "KalshiNR", *, gateway: InProcessFix | None = None, door: str = ""
    ) -> FixClient:
        used = gateway or fix
        return FixClient(
            used.connect(f"{door}{target}"),
            target=target,
            key_id=used.paper.key_id(name),
            key=private_key(name)[0],
            now_ms=used.paper.clock.now_ms,
        )

    return make


@pytest.fixture
def client(connect: Connect) -> FixClient:
    """trader-1 on NR without pending reports."""
    made = connect()
    made.log_on((21011, "Y"))
    return made


@pytest.fixture
def other(connect: Connect) -> FixClient:
    """The maker on NR, without pending reports."""
    made = connect("maker")
    made.log_on((21011, "Y"))
    return made
