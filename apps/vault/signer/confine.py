"""What the signer's process gives up before it opens the first key (Linux). No Django here.

A lock of memory does not pass to a forked child and ends with an exec, and a thread keeps the network that it was
started with. So all of it is done in the signer itself, after the supervisor's fork and before it has a second thread.
"""

import contextlib
import ctypes
import os
import resource
import sys
from pathlib import Path

_PR_SET_DUMPABLE = 4
_CAP_IPC_LOCK = 14
# Lock each page when it is touched: to touch all of them now would copy what the supervisor's children share.
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000


def confine(*, needs_network: bool, has_peers: bool = False) -> list[str]:
    """Give up what a signer needs not; return in words what this system did not let it give up.

    needs_network: its database is reached over the network. has_peers: programs of other users may ask it, whose
    numbers it has to see as they are.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return ["This system is not Linux: memory is not locked, and other programs of the same user may read it."]
    missing = []
    libc = ctypes.CDLL(None, use_errno=True)
    if not _may_lock() or libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        missing.append("Its memory is not locked and may be written to swap: set LimitMEMLOCK=infinity, or no swap.")
    if needs_network:
        missing.append("It keeps the network: its database is reached over it. Let that network lead nowhere else.")
    elif not _network_leave(libc, may_map_users=not has_peers) and not _has_loopback_alone():
        missing.append("It keeps the network: this system lets it make none of its own (systemd: PrivateNetwork=yes).")
    # Last: then its own files under /proc are closed to it, too, those that map users among them.
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        missing.append("Other programs of the same user may read its memory.")
    return missing


def _may_lock() -> bool:
    """Is there no limit? Once one is reached, memory would be refused, and the signer would end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    return hard == resource.RLIM_INFINITY or _has(_CAP_IPC_LOCK)


def _has(capability: int) -> bool:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> capability & 1)
    return False


def _network_leave(libc: ctypes.CDLL, *, may_map_users: bool) -> bool:
    """Go on in a network of its own, with not even loopback; sockets of the file system stay."""
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    user, group = os.geteuid(), os.getegid()
    # Who is not root may do it among users of its own, of which there is one: itself, under its own number.
    if user == 0 or not may_map_users or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    with contextlib.suppress(OSError):
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _has_loopback_alone() -> bool:
    """Did systemd or the container set start it in such a network?"""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
        return {line.partition(":")[0].strip() for line in lines} <= {"lo"}
    return False
