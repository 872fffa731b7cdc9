"""Daphne sends no message above its limit, so the limit must be what the desk may send."""

from pathlib import Path
from typing import Any

import pytest
from daphne.cli import CommandLineInterface

from apps.web.client import MESSAGE_AT_MOST
from kalshi_desk.supervisor import programs
from kalshi_desk.supervisor.place import Place

ROOT = Path(__file__).resolve().parent.parent.parent
OPTION = "--websocket-max-message-size"


def test_the_web_server_may_send_what_a_browser_may_be_sent(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.VAULT_PRIVATE_KEY_FILE = settings.VAULT_PRIVATE_KEY_FILE  # put back afterwards
    monkeypatch.setenv("DESK_VAULT_PRIVATE_KEY", "")
    started: list[list[str]] = []
    monkeypatch.setattr(CommandLineInterface, "run", lambda self, arguments: started.append(arguments))
    [web] = [child for child in programs.desk(Place(tmp_path, 1, 2, tmp_path / "redis")) if child.name == "web"]
    assert web.start is not None

    web.start()

    read = CommandLineInterface().parser.parse_args(started[0])
    assert read.websocket_max_message_size == MESSAGE_AT_MOST
    assert f'"{OPTION}", "{MESSAGE_AT_MOST}"' in (ROOT / "Dockerfile").read_text()
