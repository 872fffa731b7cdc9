"""Waiting for conditions on one event loop without sleeping: nothing changes there but in a turn of the loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class WatchingLoop(asyncio.SelectorEventLoop):
    """Looks at the conditions that somebody waits for after each of its turns."""

    def __init__(self) -> None:
        super().__init__()
        self._watched: list[tuple[Callable[[], object], asyncio.Future[None]]] = []

    def comes_true(self, condition: Callable[[], object]) -> asyncio.Future[None]:
        """Return a future that is done once `condition` holds, or that carries what it raised."""
        future = self.create_future()
        self._watched.append((condition, future))
        self.call_soon(lambda: None)  # the first look comes after a turn, too
        return future

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        for condition, future in list(self._watched):
            try:
                if not future.done() and condition():
                    future.set_result(None)
            except Exception as exc:
                future.set_exception(exc)
        self._watched = [(condition, future) for condition, future in self._watched if not future.done()]


async def until(condition: Callable[[], object], *, within: float = 90.0) -> None:
    """Return once `condition` holds; seconds of the loop's own clock. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WatchingLoop), "start this test with `run_watched`"
    async with asyncio.timeout(within):
        await loop.comes_true(condition)


def run_watched(main: Coroutine[Any, Any, T], *, loop: Callable[[], WatchingLoop] = WatchingLoop) -> T:
    """Like `asyncio.run`, on a loop where `until` works."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)
