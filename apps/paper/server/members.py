"""The members of the paper exchange, their keys, and the files that tell others about them."""

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from apps.paper.server.auth import AccessKey, generate_pem, parse_public_key
from apps.paper.server.core import Core
from apps.paper.server.http import ApiError

PAPER_FILE = "paper.json"
KEYS_FILE = "keys.json"


@dataclass(frozen=True, slots=True)
class Seat:
    """One member that is there from the start. cash in cents, in subaccount 0.

    subtraders: of an FCM member; each has the next subaccount to itself, with as much cash.
    """

    name: str
    role: str
    tier: str
    cash_cents: int
    subaccounts: int = 0
    subtraders: tuple[str, ...] = ()

    @property
    def user_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"paper-exchange/members/{self.name}"))


@dataclass(frozen=True, slots=True)
class Credential:
    """A key that is there from the start; its private half lies in a file."""

    name: str
    seat: Seat
    scopes: tuple[str, ...]


TRADER_1 = Seat("trader-1", "trader", "advanced", 2_500_000, subaccounts=2)
TRADER_2 = Seat("trader-2", "trader", "basic", 1_000_000)
MAKER = Seat("maker", "market maker", "premier", 100_000_000)
FCM = Seat("fcm", "FCM", "advanced", 5_000_000, subaccounts=2, subtraders=("client-a", "client-b"))
SEATS = (TRADER_1, TRADER_2, MAKER, FCM)
CREDENTIALS = (
    Credential("trader-1", TRADER_1, ("read", "write")),
    Credential("trader-2", TRADER_2, ("read", "write")),
    Credential("maker", MAKER, ("read", "write")),
    Credential("fcm", FCM, ("read", "write")),
    Credential("reader", TRADER_1, ("read",)),
)


class DataError(Exception):
    """The data directory cannot be used. The text says what to do."""


class StoredKey(msgspec.Struct):
    key_id: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    public_key: str


def seat_members(core: Core) -> None:
    """Add the members of `SEATS` that are not there yet, with their cash, and set the tiers of all."""
    for seat in SEATS:
        if seat.user_id not in core.exchange.members:
            member = core.exchange.add_member(
                name=seat.name, user_id=seat.user_id, cash_cents=seat.cash_cents, subaccounts=seat.subaccounts
            )
            for number, subtrader_id in enumerate(seat.subtraders, start=1):
                member.subtraders[subtrader_id] = number
                core.exchange.deposit(seat.user_id, cents=seat.cash_cents, subaccount=number)
        core.tiers[seat.user_id] = seat.tier


class KeyFiles:
    """The key ring's memory in `folder`: what was registered before is registered again.

    keys.json holds public keys only; the private halves of `CREDENTIALS` are PEM files, mode 600.
    """

    def __init__(self, folder: Path, core: Core) -> None:
        self._folder = folder
        self._core = core

    def restore(self) -> None:
        """Load the ring, make what is missing, and keep the files in step from now on.

        Raises:
            DataError: a file that cannot be read or written.
        """
        try:
            (self._folder / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
            self._load()
            for credential in CREDENTIALS:
                self._ensure(credential)
            self._save()
        except OSError as exc:
            raise DataError(
                f"{exc.filename or self._folder}: {exc.strerror}. Give another directory by --data."
            ) from exc
        self._core.keys.on_change = self._save

    def announce(self, *, rest_url: str, ws_url: str, control_url: str, fix: dict[str, Any] | None = None) -> Path:
        """Write paper.json, whole or not at all, and return where it is."""
        path = self._folder / PAPER_FILE
        content: dict[str, Any] = {
            "rest_url": rest_url,
            "ws_url": ws_url,
            "control_url": control_url,
            **({} if fix is None else {"fix": fix}),
            "members": [self._announced(credential) for credential in CREDENTIALS],
        }
        _write_private(path, msgspec.json.format(msgspec.json.encode(content), indent=2))
        return path

    def private_path(self, credential: Credential) -> Path:
        return (self._folder / "keys" / f"{credential.name}.pem").resolve()

    def _announced(self, credential: Credential) -> dict[str, Any]:
        seat = credential.seat
        return {
            "name": credential.name,
            "role": seat.role if "write" in credential.scopes else "reader",
            "user_id": seat.user_id,
            "key_id": key_id_of(credential),
            "private_key_path": str(self.private_path(credential)),
            "scopes": list(credential.scopes),
            "subaccounts": list(range(seat.subaccounts + 1)),
            "tier": seat.tier,
        }

    def _load(self) -> None:
        path = self._folder / KEYS_FILE
        if not path.exists():
            return
        try:
            rows = msgspec.json.decode(path.read_bytes(), type=list[StoredKey])
            for row in rows:
                if row.user_id in self._core.exchange.members:
                    self._core.keys.add(
                        parse_public_key(row.public_key),
                        user_id=row.user_id,
                        name=row.name,
                        scopes=row.scopes,
                        key_id=row.key_id,
                    )
        except (msgspec.DecodeError, ApiError) as exc:
            raise DataError(f"{path} is damaged ({exc}). Move it away; keys made over the API are then gone.") from exc

    def _ensure(self, credential: Credential) -> None:
        path = self.private_path(credential)
        if path.exists():
            try:
                key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            except (ValueError, TypeError) as exc:
                raise DataError(f"{path} is not a private key. Move it away; a new one is then made.") from exc
            if not isinstance(key, RSAPrivateKey):
                raise DataError(f"{path} is not an RSA key. Move it away; a new one is then made.")
        else:
            key, pem = generate_pem()
            _write_private(path, pem.encode())
        self._core.keys.add(
            key.public_key(),
            user_id=credential.seat.user_id,
            name=credential.name,
            scopes=credential.scopes,
            key_id=key_id_of(credential),
        )

    def _save(self) -> None:
        rows = [_stored(key) for user_id in self._core.exchange.members for key in self._core.keys.of_user(user_id)]
        _write_private(self._folder / KEYS_FILE, msgspec.json.encode(rows))


def key_id_of(credential: Credential) -> str:
    """The same in every run, so that a key in somebody's vault stays good."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"paper-exchange/keys/{credential.name}"))


def _stored(key: AccessKey) -> StoredKey:
    pem = key.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")
    return StoredKey(key.key_id, key.user_id, key.name, key.scopes, pem)


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only from the first byte."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
