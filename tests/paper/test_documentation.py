"""docs/paper-exchange.md names every switch, every control call, every fault and every channel that there is."""

import argparse
import re
from pathlib import Path
from typing import get_args

import pytest

from apps.paper.fix.faults import CORRUPTIONS as FIX_CORRUPTIONS
from apps.paper.fix.faults import FixFaultKind
from apps.paper.fix.rules import FixRules
from apps.paper.management.commands.paper import Command
from apps.paper.server.channel_list import CHANNELS
from apps.paper.server.control import Control
from apps.paper.server.faults import FrameFaultKind
from apps.paper.server.rest_faults import MANGLED, RestFaultKind
from apps.paper.testing import InProcessPaper
from tests.paper.server.contract.not_yet import NOT_YET

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "paper-exchange.md").read_text()


def switches() -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    Command().add_arguments(parser)  # type: ignore[arg-type]
    return [option for action in parser._actions for option in action.option_strings]


@pytest.mark.parametrize("switch", switches())
def test_a_switch_is_documented(switch: str) -> None:
    assert re.search(rf"^\|.*`{switch}[ `]", PAGE, re.MULTILINE)


def test_every_control_call_is_documented() -> None:
    calls = Control(InProcessPaper().server).calls

    assert len(calls) > 15
    missing = [f"{method} {path}" for method, path in calls if f"`{method} {path}`" not in PAGE]
    assert missing == []


@pytest.mark.parametrize("word", [*get_args(FrameFaultKind), *get_args(RestFaultKind), *MANGLED])
def test_a_fault_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("word", [*get_args(FixFaultKind), *FIX_CORRUPTIONS, *FixRules.__slots__])
def test_a_fault_or_rule_of_fix_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("channel", [channel.name for channel in CHANNELS])
def test_a_channel_is_documented(channel: str) -> None:
    assert f"`{channel}`" in PAGE


def test_what_is_not_offered_yet_is_said() -> None:
    assert ("All 98 operations of the file are offered" in PAGE) == (not NOT_YET)
