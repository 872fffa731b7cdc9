"""Settings are typed and refuse what is wrong, in words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from kalshi_desk import env

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.production",
    "DESK_MODE": "team",
    "DESK_SECRET_KEY": "q8V1xZ0rT5nB3mK7wY2pL6sD9fG4hJ-aEcUiOq8V1xZ0rT5nB3mK7wY2",
    "DESK_SECURE_COOKIES": "1",
    "DESK_ORIGINS": "https://desk.example.org",
    "DESK_HOSTS": "desk.example.org",
}


def load_settings(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DESK_DATA": str(tmp_path), **variables}
    code = "from django.conf import settings; print(settings.DEBUG)"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(
    ("raw", "expected"), [("1", True), ("true", True), ("ON", True), ("0", False), ("no", False), ("", True)]
)
def test_a_flag_reads_the_usual_words(raw: str, expected: bool) -> None:
    assert env.flag("X", True, env={"X": raw}) is expected


@pytest.mark.parametrize("raw", ["maybe", "2", "tru"])
def test_a_flag_refuses_other_words_with_its_name(raw: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="X="):
        env.flag("X", True, env={"X": raw})


@pytest.mark.parametrize("raw", ["8k", "-1", "70000", "1.5"])
def test_a_whole_number_is_checked_for_its_range(raw: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PORT="):
        env.whole("PORT", 8000, minimum=1, maximum=65535, env={"PORT": raw})


def test_a_choice_names_the_options() -> None:
    with pytest.raises(ImproperlyConfigured, match="demo, team"):
        env.choice("DESK_MODE", "demo", ("demo", "team"), env={"DESK_MODE": "prod"})


def test_a_required_text_says_which_variable_is_missing() -> None:
    with pytest.raises(ImproperlyConfigured, match="SOME_NAME is not set"):
        env.text("SOME_NAME", env={})


def test_names_are_trimmed_and_empty_ones_dropped() -> None:
    assert env.names("X", env={"X": " a, ,b "}) == ["a", "b"]


def test_production_settings_start_when_everything_is_safe(tmp_path: Path) -> None:
    result = load_settings(tmp_path, **PRODUCTION)

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"DESK_DEBUG": "1"}, "DESK_DEBUG is on"),
        ({"DESK_MODE": "demo"}, "DESK_MODE is not 'team'"),
        ({"DESK_SECRET_KEY": "short"}, "DESK_SECRET_KEY is short"),
        ({"DESK_SECRET_KEY": "django-insecure-" + "q8V1xZ0rT5nB3mK7" * 4}, "DESK_SECRET_KEY is short or a default"),
        ({"DESK_SECURE_COOKIES": "0"}, "cookies would travel unencrypted"),
        ({"DESK_ORIGINS": "http://desk.example.org"}, "an origin without https"),
    ],
)
def test_production_settings_refuse_what_is_not_safe(tmp_path: Path, change: dict[str, str], words: str) -> None:
    result = load_settings(tmp_path, **{**PRODUCTION, **change})

    assert result.returncode != 0
    assert words in result.stderr


def test_a_missing_secret_key_is_refused_with_what_to_do(tmp_path: Path) -> None:
    result = load_settings(tmp_path, DJANGO_SETTINGS_MODULE="kalshi_desk.settings.base", DESK_MODE="team")

    assert result.returncode != 0
    assert "DESK_SECRET_KEY is not set" in result.stderr


def test_djangos_deployment_check_finds_nothing_in_production(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DESK_DATA": str(tmp_path), **PRODUCTION}
    (tmp_path / "static").mkdir()
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)

    assert result.returncode == 0, result.stderr
