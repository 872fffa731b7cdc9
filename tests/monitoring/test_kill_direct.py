"""The kill switch without a database: the emergency file, the pass, the command. pytest refuses the database here."""

import base64
import io
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.core.management import CommandError, call_command

from apps.core.errors import DeskError
from apps.exchange.wire.client import ExchangeClient
from apps.monitoring import killing
from apps.monitoring.services import direct
from apps.monitoring.services.direct import direct_pass
from apps.orders import killed
from apps.paper.testing import LINEAR, InProcessPaper
from apps.vault import crypto, keyfiles
from apps.vault.emergency import SealedKey, emergency_path, emergency_write
from apps.vault.pem import private_key_read
from apps.vault.services import key_revoke
from tests.support.paper import paper
from tests.support.people import actor_of, make_account, make_desk, make_key, make_person, vault_in

__all__ = ["paper"]


@pytest.fixture
def vault_key(own_data: Path) -> Path:
    path = own_data / "vault" / "private.pem"
    keyfiles.private_keys_write(path, [X25519PrivateKey.generate()])
    return path


@pytest.fixture
def reached(paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch) -> InProcessPaper:
    """The client that the pass makes reaches the exchange in this process; the key is what the file gave it."""
    monkeypatch.setattr(
        direct, "_client", lambda one: ExchangeClient([paper.base_url], one.signer, None, paper.transport)
    )
    return paper


def file_of(paper: InProcessPaper, vault_key: Path, **over: Any) -> None:
    """An emergency file as the desk would have written it, with the key of trader-1."""
    private = next(iter(keyfiles.private_keys_parse(vault_key.read_bytes()).values()))
    read = private_key_read(paper.pem("trader-1").encode())
    key = SealedKey(
        row=7,
        desk=3,
        desk_slug="main",
        account=11,
        account_name="Book one",
        environment="paper",
        purpose="rest_trade",
        key_id=paper.key_id("trader-1"),
        fingerprint="f" * 64,
        version=1,
        sealed="",
    )
    der = read.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    sealed = crypto.seal(der, public=private.public_key(), context=key.context(), may_write=True)
    fields = {name: getattr(key, name) for name in key.__struct_fields__}
    fields |= {"sealed": base64.b64encode(sealed).decode()} | over
    emergency_path().parent.mkdir(parents=True, exist_ok=True)
    emergency_path().write_text(json.dumps([fields]))


def order(paper: InProcessPaper) -> None:
    body = {"ticker": LINEAR, "client_order_id": str(uuid.uuid4()), "side": "bid", "count": "3.00", "price": "0.1000"}
    body |= {"time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross"}
    with paper.client("trader-1") as client:
        assert client.post("/portfolio/events/orders", json=body).status_code == 201


def resting(paper: InProcessPaper) -> int:
    with paper.client("trader-1") as client:
        return len(client.get("/portfolio/orders", params={"status": "resting"}).json()["orders"])


def kill(*arguments: str) -> str:
    said = io.StringIO()
    call_command("kill", "--no-database", "--timeout", "0", *arguments, stdout=said, stderr=said)
    return said.getvalue()


def test_the_command_cancels_with_nothing_but_two_files(reached: InProcessPaper, vault_key: Path) -> None:
    for _ in range(3):
        order(reached)
    file_of(reached, vault_key)

    said = kill("--why", "no database", "--vault-key", str(vault_key))

    assert resting(reached) == 0
    assert "Book one [paper]: 3 taken off, nothing is left" in said
    marker = killed.read()
    assert marker is not None
    assert marker.why == "no database"


def test_manage_py_cancels_before_django_is_there(
    reached: InProcessPaper, vault_key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order(reached)
    file_of(reached, vault_key)

    code = killing.main(["--no-database", "--why", "quick", "--vault-key", str(vault_key)])

    assert code == 0
    assert resting(reached) == 0
    assert "Nothing is left at the exchange." in capsys.readouterr().out
    marker = killed.read()
    assert marker is not None
    assert (marker.why, marker.desk_slug) == ("quick", "")


def test_with_a_database_the_exchange_is_asked_first_and_the_command_goes_on(
    reached: InProcessPaper, vault_key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order(reached)
    file_of(reached, vault_key)

    assert killing.main(["--desk", "main", "--vault-key", str(vault_key)]) is None
    assert resting(reached) == 0
    assert "Book one [paper]: 1 taken off" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--desk", "mian"], ["--help"], ["--why"], ["--timeout", "x"], ["stray"]])
def test_what_needs_the_database_or_is_no_kill_is_left_to_django(
    reached: InProcessPaper, vault_key: Path, arguments: list[str]
) -> None:
    order(reached)
    file_of(reached, vault_key)

    assert killing.main(["--vault-key", str(vault_key), *arguments]) is None
    assert resting(reached) == 1
    assert not killed.is_set()


def test_without_the_keys_it_says_so_and_still_holds_back(
    own_data: Path, reached: InProcessPaper, capsys: pytest.CaptureFixture[str]
) -> None:
    assert killing.main(["--no-database"]) == killing.CANNOT
    assert "cannot be read" in capsys.readouterr().err
    assert killed.is_set()


@pytest.mark.parametrize(
    ("first", "second", "kept"), [("main", "other", ""), ("main", "", ""), ("", "main", ""), ("main", "main", "main")]
)
def test_a_second_kill_is_not_lost_behind_the_file_of_the_first(
    first: str, second: str, kept: str, own_data: Path
) -> None:
    for slug in (first, second):
        killed.write(killed.Marker(at_ms=1, why=f"of {slug or 'all'}", desk_slug=slug, by_text="tess"))

    marker = killed.read()
    assert marker is not None
    assert (marker.desk_slug, marker.by_text) == (kept, "tess")
    assert f"of {first or 'all'}" in marker.why
    assert list(killed.path().parent.iterdir()) == [killed.path()]


def test_a_user_without_a_name_kills_all_the_same(
    reached: InProcessPaper, vault_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(killing.getpass, "getuser", nobody)
    file_of(reached, vault_key)

    assert killing.main(["--no-database", "--vault-key", str(vault_key)]) == 0
    assert killed.is_set()


def test_the_quick_way_loads_no_app_of_django() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from apps.monitoring import killing; from django.apps import apps; "
            "print(apps.ready, 'apps.vault.models' in sys.modules)",
        ],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.base"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["False", "False"]


def test_several_accounts_are_cleared_and_each_says_its_own(reached: InProcessPaper, vault_key: Path) -> None:
    order(reached)
    file_of(reached, vault_key)
    (row,) = json.loads(emergency_path().read_text())
    emergency_path().write_text(json.dumps([row | {"account": 12, "account_name": "Edited"}, row]))

    edited, told = direct_pass(private_key=vault_key)

    assert "does not open" in edited.words
    assert told.words == "Book one [paper]: 1 taken off, nothing is left"
    assert resting(reached) == 0


def test_what_is_left_is_said_and_is_the_exit_code(reached: InProcessPaper, vault_key: Path) -> None:
    order(reached)
    file_of(reached, vault_key)
    reached.control("POST", "/rest/fault", {"kind": "status", "status": 503, "count": 50, "method": "DELETE"})

    with pytest.raises(CommandError, match="Something is left") as failed:
        kill("--vault-key", str(vault_key))

    assert failed.value.returncode == 1
    assert resting(reached) == 1


def test_without_the_file_or_the_key_it_says_so(own_data: Path, reached: InProcessPaper, vault_key: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read") as no_file:
        kill("--vault-key", str(vault_key))
    file_of(reached, vault_key)
    with pytest.raises(CommandError, match="private key") as no_key:
        kill("--vault-key", str(own_data / "nowhere.pem"))

    assert (no_file.value.returncode, no_key.value.returncode) == (2, 2)
    assert killed.is_set()  # whatever happens, nothing new leaves this machine


@pytest.mark.parametrize("over", [{"account": 12}, {"key_id": "another"}, {"version": 2}, {"sealed": "AAAA"}])
def test_an_edited_file_opens_nothing(reached: InProcessPaper, vault_key: Path, over: dict[str, Any]) -> None:
    order(reached)
    file_of(reached, vault_key, **over)

    (told,) = direct_pass(private_key=vault_key)

    assert not told.is_clean
    assert "does not open" in told.words
    assert resting(reached) == 1


def test_another_desks_accounts_are_left_alone(reached: InProcessPaper, vault_key: Path) -> None:
    order(reached)
    file_of(reached, vault_key)

    with pytest.raises(DeskError, match="no trading key of this desk"):
        direct_pass(private_key=vault_key, desk_slug="other")

    assert resting(reached) == 1


@pytest.mark.django_db
def test_the_file_holds_sealed_keys_only_and_forgets_revoked_ones(tmp_path: Path, settings: Any) -> None:
    private = vault_in(tmp_path, settings)
    desk = make_desk()
    keeper = actor_of(make_person(desk, "vault-admin"))
    key = make_key(keeper, make_account(desk))

    assert emergency_write() == 1
    text = emergency_path().read_text()
    assert emergency_path().stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in text
    before = emergency_path().stat().st_mtime_ns
    assert emergency_write() == 1
    assert emergency_path().stat().st_mtime_ns == before
    (opened,) = direct.emergency_open(emergency_path(), private_key=private)
    assert opened.signer is not None
    assert opened.signer.key_id == key.key_id

    key_revoke(keeper, key.pk)
    assert emergency_write() == 0
