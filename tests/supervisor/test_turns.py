"""Processes ask the kernel for the turns that suit them, and run where it gives none."""

import os
import subprocess
import sys

import pytest

from kalshi_desk.supervisor import turns
from kalshi_desk.supervisor.turns import Turns
from tests.support.desk import ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="the scheduler of Linux")


def asked_by_a_process(code: str) -> str:
    """A process of its own: what it asks for must not stay with the tests."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout.strip()


@linux
def test_what_runs_behind_everybodys_back_interrupts_nobody() -> None:
    code = (
        "import os, threading\n"
        "from kalshi_desk.supervisor.turns import Turns, take\n"
        "taken = take(Turns.PATIENT)\n"
        "seen = []\n"
        "thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))\n"
        "thread.start(); thread.join()\n"
        "print(taken, os.sched_getscheduler(0) == os.SCHED_BATCH, seen == [os.SCHED_BATCH])\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0))\n"
        "thread = threading.Thread(target=lambda: print(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))\n"
        "thread.start(); thread.join()\n"
    )

    words, nice, of_a_thread = asked_by_a_process(code).splitlines()

    assert words in ("True True True", "False False False")  # the latter on a machine whose system calls differ
    # It steps back where somebody else wants the core. 19 is as far as one can.
    assert int(nice) == int(of_a_thread) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)


@linux
def test_what_somebody_waits_for_stays_an_ordinary_process() -> None:
    code = (
        "import os\n"
        "from kalshi_desk.supervisor.turns import Turns, take\n"
        "take(Turns.PROMPT)\n"
        "print(os.sched_getscheduler(0) == os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0))\n"
    )

    assert asked_by_a_process(code) == f"True {os.getpriority(os.PRIO_PROCESS, 0)}"


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "riscv64")])
def test_elsewhere_everything_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(turns.sys, "platform", system)
    monkeypatch.setattr(turns.platform, "machine", lambda: machine)
    stepped_back: list[int] = []
    monkeypatch.setattr(turns.os, "nice", stepped_back.append)

    assert turns.take(Turns.PATIENT) is False
    assert turns.take(Turns.PROMPT) is False
    assert stepped_back == [10]  # the one thing that every system has
