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
    )

    words, nice = asked_by_a_process(code).splitlines()

    assert words in ("True True True", "False False False")  # the latter on a machine whose system calls differ
    assert int(nice) == os.getpriority(os.PRIO_PROCESS, 0)  # its share is what it was


@linux
def test_what_somebody_waits_for_stays_an_ordinary_process() -> None:
    code = (
        "import os\n"
        "from kalshi_desk.supervisor.turns import Turns, take\n"
        "take(Turns.PROMPT)\n"
        "print(os.sched_getscheduler(0) == os.SCHED_OTHER)\n"
    )

    assert asked_by_a_process(code) == "True"


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "riscv64")])
def test_elsewhere_everything_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(turns.sys, "platform", system)
    monkeypatch.setattr(turns.platform, "machine", lambda: machine)

    assert turns.take(Turns.PATIENT) is False
