"""Where the vault's private half may lie: plain, sealed by a passphrase, or as a credential of systemd."""

import base64
import errno
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from apps.accounts.models import ExchangeAccount
from apps.monitoring import doctor
from apps.vault import keyfiles, keyforms
from apps.vault.errors import VaultClosed
from apps.vault.opening import forget, signer_for
from kalshi_desk import env
from tests.support.people import actor_of, make_key, make_person

FIRST, SECOND = "correct horse battery", "staple of another year"
Passphrases = Callable[..., None]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What slows a guess down would slow each test down; the file says how it was made."""
    monkeypatch.setattr(keyforms, "MEMORY_KIB", 64)
    monkeypatch.setattr(keyforms, "PASSES", 1)
    monkeypatch.setattr(keyforms, "LANES", 1)
    keyforms.BY_PASSPHRASE.forget()


@pytest.fixture
def passphrases(settings: Any, tmp_path: Path) -> Passphrases:
    def say(*phrases: str) -> None:
        settings.VAULT_PASSPHRASE_FILES = []
        for number, phrase in enumerate(phrases):
            file = tmp_path / f"passphrase-{number}"
            file.write_text(f"{phrase}\n")
            settings.VAULT_PASSPHRASE_FILES.append(str(file))
        keyforms.BY_PASSPHRASE.forget()

    return say


def rotate() -> None:
    call_command("vault_rotate", stdout=StringIO())
    forget()


def test_a_rotation_seals_the_file_and_every_key_opens(
    private_file: Path, account: ExchangeAccount, passphrases: Passphrases, settings: Any
) -> None:
    make_key(actor_of(make_person(account.desk, "vault-admin")), account)
    assert b"BEGIN PRIVATE KEY" in private_file.read_bytes()
    passphrases(FIRST)
    [left_open] = [found.what for found in doctor._vault() if found.level == "warning"]
    assert "still lies there without it" in left_open

    rotate()

    raw = private_file.read_bytes()
    assert raw.startswith(keyforms.ByPassphrase.begin)
    assert b"PRIVATE KEY" not in raw
    assert raw.isascii()  # `backup --with-keys` takes it as text, sealed
    assert private_file.stat().st_mode & 0o777 == 0o600
    assert signer_for(account.pk, write=True)
    assert [found.level for found in doctor._vault()] == ["ok"]


def test_without_its_passphrase_it_opens_nothing_and_says_why(private_file: Path, passphrases: Passphrases) -> None:
    passphrases(FIRST)
    rotate()
    for phrases, words in (((SECOND,), "does not open"), ((), "set DESK_VAULT_PASSPHRASE"), (("short",), "12 char")):
        passphrases(*phrases)
        with pytest.raises(VaultClosed, match=words) as refused:
            keyfiles.private_keys_parse(private_file.read_bytes())
        assert not any(phrase in refused.value.text for phrase in (FIRST, SECOND))


def test_a_passphrase_is_changed_by_naming_both(private_file: Path, passphrases: Passphrases) -> None:
    passphrases(FIRST)
    rotate()
    passphrases(SECOND, FIRST)
    rotate()

    passphrases(SECOND)
    assert len(keyfiles.private_keys_parse(private_file.read_bytes())) == 1
    passphrases(FIRST)
    with pytest.raises(VaultClosed):
        keyfiles.private_keys_parse(private_file.read_bytes())


def test_no_byte_of_it_can_be_changed_unnoticed(passphrases: Passphrases) -> None:
    passphrases(FIRST)
    form = keyforms.BY_PASSPHRASE
    raw = keyforms.sealed(b"what is inside")
    assert raw != keyforms.sealed(b"what is inside")
    body = base64.b64decode(raw.removeprefix(form.begin).strip().removesuffix(form.end))

    for place in range(len(body)):
        if 2 <= place < 8:  # memory, passes, lanes: below
            continue
        changed = bytearray(body)
        changed[place] ^= 1
        with pytest.raises(VaultClosed):
            keyforms.opened(form.begin + b"\n" + base64.encodebytes(changed) + form.end)
    for memory, passes, lanes in (
        (72, 1, 1),
        (64, 2, 1),
        (64, 1, 2),
        (1 << 19, 1, 1),
        (64, 17, 1),
        (64, 1, 0),
        (0, 1, 1),
    ):
        changed = bytearray(body)
        changed[2:8] = memory.to_bytes(4, "big") + bytes([passes, lanes])
        with pytest.raises(VaultClosed):
            keyforms.opened(form.begin + b"\n" + base64.encodebytes(changed) + form.end)
    for cut in (b"", b"\n!", raw[: len(raw) // 2]):
        with pytest.raises(VaultClosed):
            keyforms.opened(cut if cut.startswith(form.begin) else form.begin + cut)
    assert keyforms.opened(raw) == b"what is inside"


def test_another_form_is_one_more_entry(
    private_file: Path, account: ExchangeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a key service would be: it is asked to open the bytes, and nothing else of the vault knows of it."""

    class Backwards:
        begin = b"-----BEGIN BACKWARDS-----"

        def opened(self, raw: bytes) -> bytes:
            return raw.removeprefix(self.begin)[::-1]

        def sealed(self, pem: bytes) -> bytes:
            return self.begin + pem[::-1]

    make_key(actor_of(make_person(account.desk, "vault-admin")), account)
    form = Backwards()
    private_file.write_bytes(form.sealed(private_file.read_bytes()))
    with pytest.raises(VaultClosed):
        keyfiles.private_keys_parse(private_file.read_bytes())

    monkeypatch.setattr(keyforms, "FORMS", (*keyforms.FORMS, form))
    forget()

    assert signer_for(account.pk, write=True)


def test_a_new_vault_with_a_passphrase_is_never_written_plain(
    tmp_path: Path, passphrases: Passphrases, settings: Any
) -> None:
    settings.VAULT_PUBLIC_KEY_FILE = tmp_path / "new" / "public.pem"
    settings.VAULT_PRIVATE_KEY_FILE = str(tmp_path / "new" / "private.pem")
    passphrases("short")
    with pytest.raises(CommandError, match="12 characters"):
        call_command("vault_init", stdout=StringIO())
    assert not (tmp_path / "new" / "private.pem").exists()

    passphrases(FIRST)
    call_command("vault_init", stdout=StringIO())
    call_command("vault_init", stdout=StringIO())  # again: it is read, and the public half comes from it

    assert (tmp_path / "new" / "private.pem").read_bytes().startswith(keyforms.ByPassphrase.begin)


def test_where_it_cannot_be_written_a_rotation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(keyfiles, "_write", refuse)
    with pytest.raises(CommandError, match=r"cannot be written here \(Read-only file system"):
        call_command("vault_rotate", stdout=StringIO())


def test_a_credential_of_systemd_is_a_file_of_its_folder() -> None:
    def read(value: str, folder: str = "/run/credentials/desk-signer.service") -> str:
        return env.credential(
            "DESK_VAULT_PRIVATE_KEY", env={"DESK_VAULT_PRIVATE_KEY": value, "CREDENTIALS_DIRECTORY": folder}
        )

    assert read("credential:vault") == "/run/credentials/desk-signer.service/vault"
    assert read("/etc/desk/private.pem") == "/etc/desk/private.pem"
    assert read("") == ""
    for value, folder in (("credential:vault", ""), ("credential:", "/run/c"), ("credential:../key", "/run/c")):
        with pytest.raises(ImproperlyConfigured):
            read(value, folder)
    two = {"DESK_VAULT_PASSPHRASE": "credential:new, /etc/desk/old", "CREDENTIALS_DIRECTORY": "/run/c"}
    assert env.credentials("DESK_VAULT_PASSPHRASE", env=two) == ["/run/c/new", "/etc/desk/old"]
