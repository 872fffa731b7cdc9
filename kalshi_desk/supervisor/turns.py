"""How the processes of the set take turns on few processors. No Django here.

Who waits for whom, and for how long. What stands between a click and the exchange asks for short turns, which the
kernel gives it at once when it wakes up (EEVDF, Linux 6.12 and later); what runs behind everybody's back (syncs,
sweeps) takes long ones, never interrupts anybody (SCHED_BATCH), and steps back (nice) where a core is wanted by both.
Stepping back works on every system; for the rest other systems and older kernels share as they always did.

Only the embedded set does this, where everything shares one machine: a team's service manager has its own means.
"""

import ctypes
import os
import platform
import struct
import sys
from enum import Enum

_NORMAL, _BATCH = 0, 3
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
# struct sched_attr: size, policy, flags, nice, priority, runtime (of a turn), deadline, period
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


class Turns(Enum):
    """policy; how long a turn is, nanoseconds (0: the kernel's own, 1-3 ms); by how much it steps back (nice).

    Ten: a tenth of a core where somebody else wants all of it. Not more: who sweeps may hold the database's write lock
    for a moment, and must get on with it.
    """

    PROMPT = (_NORMAL, 200_000, 0)
    USUAL = (_NORMAL, 0, 0)
    PATIENT = (_BATCH, 3_000_000, 10)


def take(turns: Turns) -> bool:
    """Ask for such turns for this process and all that it starts. Returns whether the kernel took it."""
    number = _SCHED_SETATTR.get(platform.machine())
    policy, length, back = turns.value
    if back:
        os.nice(back)
    if turns is Turns.USUAL or sys.platform != "linux" or number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wish = _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, 0, nice, 0, length, 0, 0)
    return int(ctypes.CDLL(None).syscall(number, 0, ctypes.create_string_buffer(wish, len(wish)), 0)) == 0
