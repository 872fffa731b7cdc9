"""How much Python's collector looks through at a time, in every process of the set. No Django here.

A full look walks through each object of a process: 20-60 ms of one core in which none of its threads runs, begun
whenever enough is new, which is when most is going on. What was loaded stays for good, so it is walked through
once and then set aside; later looks at young objects come after more of them.
"""

import gc
import time
from typing import Any, Final

YOUNG: Final = 5_000  # new objects between two looks at them, once all is loaded; Python's own is 700
SETTLED_AFTER: Final = 60.0  # seconds: by then a process has loaded what it uses


class _Settling:
    """After each full look, up to the first that comes when all is loaded, sets aside what survived it.

    What is set aside and ends up as garbage that refers to itself is never found: that is bounded by ending here.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase != "stop" or info["generation"] != 2:
            return
        gc.freeze()
        if time.monotonic() - self._began >= SETTLED_AFTER:
            gc.set_threshold(YOUNG, 10, 10)
            gc.callbacks.remove(self)


def settle() -> None:
    """Call once, when a process begins."""
    gc.callbacks.append(_Settling())
