"""What the settings promise: nothing that runs code from data, slow hashes, strict cookies, pinned packages."""

import ast
import datetime
import importlib
import re
from typing import Any

import pytest
from django.conf import settings

from kalshi_desk.cache_format import PlainSerializer
from kalshi_desk.settings import base
from tests.support.desk import ROOT

_SUSPECT = re.compile(r"\b(pickle|marshal|shelve|dill|eval|exec)\b")


def test_what_comes_from_outside_is_data_everywhere() -> None:
    options: Any = base.CACHES["default"]["OPTIONS"]
    assert base.CELERY_ACCEPT_CONTENT == ["json"]
    assert base.CELERY_TASK_SERIALIZER == "json"
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert options["serializer"] == "kalshi_desk.cache_format.PlainSerializer"


def test_no_code_of_the_desk_runs_data() -> None:
    """Neither pickle, marshal nor shelve, and neither eval nor exec."""
    found = []
    for path in sorted((ROOT / "apps").rglob("*.py")) + sorted((ROOT / "kalshi_desk").rglob("*.py")):
        text = path.read_text()
        if not _SUSPECT.search(text):
            continue  # most files: reading them word by word takes seconds
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"pickle", "marshal", "shelve", "dill"}:
                found.append(f"{path}: {names}")
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if is_call and node.func.id in ("eval", "exec"):  # type: ignore[attr-defined]
                found.append(f"{path}: {node.func.id}")  # type: ignore[attr-defined]
    assert found == []


@pytest.mark.parametrize(
    "value",
    [1, -5, 0, True, None, 1.5, "12", "ü", [1, "a", None], {"a": [True, {"b": "1.50"}]}, {}, []],
)
def test_the_cache_gives_back_what_it_was_given(value: Any) -> None:
    plain = PlainSerializer()
    stored = plain.dumps(value)

    back = plain.loads(str(stored).encode() if isinstance(stored, int) else stored)

    assert back == value
    assert type(back) is type(value)


def test_the_cache_keeps_times_and_refuses_what_is_not_data() -> None:
    plain = PlainSerializer()
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)

    assert plain.loads(plain.dumps({"at": moment})) == {"at": moment}  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        plain.dumps(object())


def test_passwords_are_slow_to_guess_and_free_in_their_form() -> None:
    validators: Any = base.AUTH_PASSWORD_VALIDATORS
    names = [one["NAME"].rpartition(".")[2] for one in validators]

    assert base.PASSWORD_HASHERS[0] == "django.contrib.auth.hashers.Argon2PasswordHasher"
    # Length and how common, never which characters.
    assert names == ["UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator"]


def test_cookies_of_production_belong_to_this_host_alone(monkeypatch: Any) -> None:
    source = (ROOT / "kalshi_desk" / "settings" / "production.py").read_text()

    for line in ('SESSION_COOKIE_NAME = "__Host-desk-session"', 'CSRF_COOKIE_NAME = "__Host-desk-csrf"'):
        assert line in source
    assert base.SESSION_COOKIE_HTTPONLY
    assert base.CSRF_COOKIE_HTTPONLY
    assert (base.SESSION_COOKIE_SAMESITE, base.CSRF_COOKIE_SAMESITE) == ("Lax", "Lax")


@pytest.mark.parametrize("name", ["base", "dev"])
def test_every_python_package_is_pinned_to_its_hash(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]

    assert len(lines) > 20
    for line in lines:
        assert re.match(r"^[A-Za-z0-9_.\[\]-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", line), line


def test_every_package_of_the_pages_is_pinned_to_its_hash() -> None:
    import json

    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    for name, one in packages.items():
        if name and not one.get("link"):
            assert one.get("integrity", "").startswith("sha512-"), name


def test_the_exchange_is_asked_at_hosts_of_a_table_and_redirects_are_not_followed() -> None:
    for environment in ("demo", "production"):
        for url in base.EXCHANGE_HOSTS[environment]["rest"] + base.EXCHANGE_HOSTS[environment]["ws"]:
            assert url.startswith(("https://", "wss://"))
            assert re.search(r"\.kalshi\.com?(/|$)", url), url
    importlib.import_module("apps.exchange.wire.client")
    for path in (ROOT / "apps").rglob("*.py"):
        assert "follow_redirects=True" not in path.read_text(), path
