"""Desks, people, accounts and keys for tests, made through the real services."""

import itertools
import time
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from django.core.management import call_command
from django.test import Client

from apps.accounts import services
from apps.accounts.access import presence_load
from apps.accounts.models import Desk, ExchangeAccount, User
from apps.core.permissions import Actor
from apps.vault import pem
from apps.vault.models import ApiKey
from apps.vault.opening import forget
from apps.vault.services import NewKey, key_add

PASSWORD = "correct-horse-battery-staple"
_numbers = itertools.count(1)


def make_desk(name: str = "Desk") -> Desk:
    number = next(_numbers)
    return services.desk_create(f"{name} {number}", slug=f"desk-{number}")


def make_person(desk: Desk, *roles: str, username: str = "") -> User:
    name = username or f"{'-'.join(roles) or 'nobody'}-{next(_numbers)}"
    return services.person_add(desk, username=name, password=PASSWORD, roles=roles)


def make_account(desk: Desk, *, environment: str = "paper", name: str = "") -> ExchangeAccount:
    return services.account_add(desk, environment=environment, name=name or f"Account {next(_numbers)}")


def actor_of(user: User) -> Actor:
    presence = presence_load(user.pk, {})
    assert presence is not None
    return presence.actor


def client_of(user: User, *, is_fresh: bool = True, **extra: Any) -> Client:
    """A signed-in browser. is_fresh: the person proved a moment ago who they are (apps.accounts.step_up)."""
    client = Client(**extra)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    if is_fresh:
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time()}]
        session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
        session.save()
    return client


@lru_cache(maxsize=8)
def key_pem(number: int = 0, *, bits: int = 2048, pkcs1: bool = False) -> str:
    """A private key, the same one for the same number: making one takes a second."""
    form = serialization.PrivateFormat.TraditionalOpenSSL if pkcs1 else serialization.PrivateFormat.PKCS8
    key = generate_private_key(public_exponent=65_537, key_size=bits)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


# Hundreds of tests give the same few keys, and to validate one takes 40 ms; tests/vault/test_pem.py is about that.
_validated = lru_cache(maxsize=8)(pem.private_key_read)


def make_key(actor: Actor, account: ExchangeAccount, **over: Any) -> ApiKey:
    """A trading key that no test should depend on; override what matters."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "label": f"Key {number}",
        "purpose": "rest_trade",
        "scopes": ("read", "write"),
        "key_id": f"key-{number}",
        "secret": key_pem(0).encode(),
    }
    with patch.object(pem, "private_key_read", _validated):
        return key_add(actor, NewKey(account_id=account.pk, **values | over))


def vault_in(folder: Path, settings: Any) -> Path:
    """Set up a vault in `folder` for one test; return the private file's path."""
    settings.VAULT_PUBLIC_KEY_FILE = folder / "public.pem"
    settings.VAULT_PRIVATE_KEY_FILE = str(folder / "private.pem")
    call_command("vault_init", verbosity=0)
    forget()
    return folder / "private.pem"
