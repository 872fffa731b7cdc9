"""One key goes through everything the vault does; no piece of it may show anywhere on the way."""

import base64
import io
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.core import ports
from apps.core.errors import DeskError
from apps.vault import pem
from apps.vault.models import ApiKey
from apps.vault.opening import forget, signer_for, uses_flush
from apps.vault.services import NewKey
from tests.support.people import client_of, key_pem, make_account, make_desk, make_person

CANARY = 77  # number of the key that only this file uses


def pieces(text: str) -> list[bytes]:
    """Everything by which the key could be recognised: its text, its DER, and each secret number in any base."""
    key = serialization.load_pem_private_key(text.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    found = [line.encode() for line in text.splitlines()[2:-2]]
    for number in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")[8:72]
        found += [raw, raw.hex().encode(), raw.hex().upper().encode(), str(number)[20:80].encode()]
        found += [base64.b64encode(raw[shift : shift + 48])[:60] for shift in range(3)]
    return found


def leaks(needles: list[bytes], haystack: bytes | str) -> str:
    """Return what surrounds the first piece found, "" when there is none."""
    stack = haystack.encode("utf-8", "replace") if isinstance(haystack, str) else haystack
    at = next((stack.find(needle) for needle in needles if needle in stack), -1)
    return "" if at < 0 else repr(stack[max(0, at - 300) : at + 60])


def everything_stored() -> bytes:
    """Every column of every table."""
    out = io.BytesIO()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                for value in row:
                    out.write(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode())
                    out.write(b"\n")
    return out.getvalue()


def test_the_search_would_find_a_leak() -> None:
    text = key_pem(CANARY)
    key = pem.private_key_read(text.encode()).private_key
    needles = pieces(text)

    for leak in (text, pem.to_der(key), repr(key.private_numbers().d), f"{key.private_numbers().p:x}"):
        assert leaks(needles, leak)
    assert not leaks(needles, key_pem(CANARY + 1))


@pytest.mark.django_db(transaction=True)
def test_no_piece_of_a_key_shows_in_pages_logs_errors_or_the_database(
    caplog: Any, capfd: Any, monkeypatch: Any, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    monkeypatch.setattr(ports, "key_test_enqueue", [lambda pk: None])
    text, desk = key_pem(CANARY), make_desk()
    needles, account = pieces(text), make_account(desk)
    browser: Client = client_of(make_person(desk, "vault-admin"), raise_request_exception=False)
    seen: list[str | bytes] = []

    def call(method: str, url: str, data: Any = None) -> Any:
        answer = getattr(browser, method)(url, data or {})
        seen.extend([answer.content, str(answer.headers), str(answer.cookies)])
        return answer

    form = {"account": account.pk, "label": "x", "purpose": "rest_trade", "scopes": "read_write", "key_id": "id"}
    add = reverse("vault_key_import")
    for wrong in (
        {"pem": text, "key_id": "not an id"},
        {"pem": text, "scopes": "read"},
        {"pem": text, "label": ""},
        {"pem": text * 2},
        {"pem": text[:-200]},
        {"pem": text.replace("PRIVATE", "PUBLIC")},
        {"key_id": text[:80]},
        {"label": text, "pem": text},
    ):
        assert call("post", add, form | wrong).status_code == 422
    # Our own fault, with DEBUG on: the technical error page shows the request and every frame's locals.
    settings.DEBUG = True
    with monkeypatch.context() as broken:
        broken.setattr("apps.vault.crypto.HKDF", lambda **kwargs: 1 / 0)
        fault = call("post", add, form | {"pem": text})
        assert fault.status_code == 500
        assert "ZeroDivisionError" in fault.content.decode()
    settings.DEBUG = False
    assert call("post", add, form | {"pem": text}).status_code == 302
    row = ApiKey.objects.get()
    assert call("post", add, form | {"pem": text}).status_code == 422  # the same again
    for name in ("vault_key", "vault_key_revoke", "vault_key_test_state"):
        call("get", reverse(name, args=[row.pk]))
    call("post", reverse("vault_key_test", args=[row.pk]))
    call("get", reverse("vault"))

    signer = signer_for(account.pk, write=True)
    seen += [
        repr(signer),
        str(signer.headers("POST", "/trade-api/v2/portfolio/events/orders", 1)),
        repr(row),
        str(vars(row)),
    ]
    seen.append(repr(NewKey(1, "", "", (), "", text.encode())))
    uses_flush()
    assert not leaks(needles, everything_stored())  # while its sealed copy is there
    call_command("vault_rotate", stdout=io.StringIO())
    forget()
    signer_for(account.pk, write=True)
    seen.append(repr(pem.private_key_read(text.encode())))
    for damaged in (text[:-200], text * 2, "ENCRYPTED" + text):
        with pytest.raises(DeskError) as refused:
            pem.private_key_read(damaged.encode())
        seen += [str(refused.value), repr(refused.value), str(refused.value.fields)]
    call("post", reverse("vault_key_revoke", args=[row.pk]))

    output = capfd.readouterr()
    logged = [logging.Formatter().format(record) for record in caplog.records]
    for piece in (*seen, *logged, output.out, output.err):
        assert leaks(needles, piece) == ""
    assert not leaks(needles, everything_stored())
