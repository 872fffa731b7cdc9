"""The whole exchange with its own world and bots in this process, on a clock by hand: days pass in seconds."""

from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from apps.paper.clock import ManualClock
from apps.paper.server.members import CREDENTIALS, key_id_of
from apps.paper.server.run import Options, build
from apps.paper.testing import PaperTransport, SignedAuth, private_key
from tests.paper.engine.support import NOON_MS


class PaperDay:
    """What `manage.py paper --manual-clock` has, without the port. Use it as a context."""

    def __init__(self, folder: Path, *, seed: int = 1, markets: int | None = None, bots: bool = True) -> None:
        options = Options(data=folder, seed=seed, markets=markets, bots=bots, manual_clock_ms=NOON_MS)
        folder.mkdir(parents=True, exist_ok=True)
        self._built = build(options)
        self.paper = self._built.paper
        self.exchange = self.paper.exchange
        clock = self.paper.clock
        assert isinstance(clock, ManualClock)
        self.clock = clock
        for credential in CREDENTIALS:
            self.paper.core.keys.add(
                private_key(credential.name)[0].public_key(),
                user_id=credential.seat.user_id,
                name=credential.name,
                scopes=credential.scopes,
                key_id=key_id_of(credential),
            )
        self.transport = PaperTransport(self.paper, clock=clock)

    def __enter__(self) -> "PaperDay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._built.keeper.close()
        self._built.keeper.release()

    def pass_time(self, *, seconds: int, every: int) -> None:
        """Step the clock, and do each time what the process does twenty times a second."""
        for _ in range(seconds // every):
            self.clock.step(every * 1000)
            self.paper.run_due()
            if self._built.step is not None:
                self._built.step(self.clock.now_ms())

    def client(self, name: str | None = None) -> httpx.Client:
        """A signing client of a member, or an unsigned one. Close it."""
        auth = None
        if name is not None:
            credential = next(credential for credential in CREDENTIALS if credential.name == name)
            auth = SignedAuth(private_key(name)[0], key_id=key_id_of(credential), clock=self.clock)
        return httpx.Client(transport=self.transport, base_url="http://paper.test/trade-api/v2", auth=auth)

    def get(self, path: str) -> dict[str, Any]:
        """A public read."""
        with self.client() as client:
            answer = client.get(path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body
