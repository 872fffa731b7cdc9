"""What an import takes and what it says to everything else."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from apps.vault.errors import KeyRefused
from apps.vault.pem import MAX_BYTES, private_key_read
from tests.support.people import key_pem

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


def _encrypted(form: serialization.PrivateFormat) -> bytes:
    key = serialization.load_pem_private_key(key_pem().encode(), password=None)
    return key.private_bytes(PEM, form, serialization.BestAvailableEncryption(b"passphrase"))


def _with_numbers(**changes: int) -> bytes:
    """A PEM whose numbers were changed, written without any check."""
    key = serialization.load_pem_private_key(key_pem().encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    values = {name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")} | changes
    values.pop("e", None)
    public = rsa.RSAPublicNumbers(changes.get("e", numbers.public_numbers.e), numbers.public_numbers.n)
    changed = rsa.RSAPrivateNumbers(public_numbers=public, **values)
    return changed.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(PEM, PKCS8, PLAIN)


def _small_exponent() -> bytes:
    return rsa.generate_private_key(public_exponent=3, key_size=2048).private_bytes(PEM, PKCS8, PLAIN)


def _next_prime(start: int) -> int:
    def is_prime(n: int) -> bool:
        return all(pow(base, n - 1, n) == 1 for base in (2, 3, 5, 7, 11, 13))

    while not is_prime(start):
        start += 2
    return start


def _close_primes() -> bytes:
    p = _next_prime(3 << 1022 | 1)
    q = _next_prime(p + 2)
    e = 65_537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key().private_bytes(PEM, PKCS8, PLAIN)


@pytest.mark.parametrize("pkcs1", [True, False])
@pytest.mark.parametrize("dress", [str, lambda pem: "\ufeff\r\n " + pem.replace("\n", "\r\n") + "\r\n\r\n"])
def test_both_key_formats_are_taken_however_they_were_pasted(pkcs1: bool, dress: object) -> None:
    pem = key_pem(1, pkcs1=pkcs1)

    key = private_key_read(dress(pem).encode())  # type: ignore[operator]

    assert key.bits == 2048
    assert len(key.fingerprint) == 64
    assert key.public_pem.startswith("-----BEGIN PUBLIC KEY-----")


REFUSED = {
    "pem_missing": lambda: b"952f88c4-8cb4-4bb9-a1e7-9a3f0f0f7a11",
    "pem_too_large": lambda: b"x" * (MAX_BYTES + 1),
    "pem_public": lambda: private_key_read(key_pem().encode()).public_pem.encode(),
    "pem_certificate": lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "pem_openssh": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(
        PEM, serialization.PrivateFormat.OpenSSH, PLAIN
    ),
    "pem_encrypted": lambda: _encrypted(PKCS8),
    "not_rsa": lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, PLAIN),
    "pem_several": lambda: (key_pem() * 2).encode(),
    "key_size": lambda: key_pem(2, bits=1024).encode(),
    "weak_exponent": _small_exponent,
    "weak_primes": _close_primes,
}


@pytest.mark.parametrize("code", REFUSED)
def test_everything_else_is_refused_with_words_of_its_own(code: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        private_key_read(REFUSED[code]())

    assert refused.value.code == code
    assert len(refused.value.text) > 30
    assert refused.value.__cause__ is None


def test_an_encrypted_pkcs1_key_is_recognised_too() -> None:
    with pytest.raises(KeyRefused) as refused:
        private_key_read(_encrypted(serialization.PrivateFormat.TraditionalOpenSSL))

    assert refused.value.code == "pem_encrypted"
    assert "openssl" in refused.value.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: "\n".join(pem.splitlines()[:5] + pem.splitlines()[6:]),
        lambda pem: pem.replace("A", "B", 40),
        lambda pem: pem[: len(pem) // 2] + "\n-----END PRIVATE KEY-----",
        lambda pem: pem.replace("-----END PRIVATE KEY-----", ""),
        lambda pem: "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----",
        lambda pem: "-----BEGIN PRIVATE KEY-----\n\x00\x01\n-----END PRIVATE KEY-----",
    ],
)
def test_a_damaged_key_is_refused_and_never_shown(damage: object) -> None:
    pem = key_pem(3)
    damaged = damage(pem)  # type: ignore[operator]

    with pytest.raises(KeyRefused) as refused:
        private_key_read(damaged.encode())

    assert refused.value.code in ("pem_malformed", "pem_missing")
    assert pem.splitlines()[3][:20] not in str(refused.value) + repr(refused.value)


def test_numbers_that_do_not_belong_together_are_refused() -> None:
    key = serialization.load_pem_private_key(key_pem().encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)

    with pytest.raises(KeyRefused) as refused:
        private_key_read(_with_numbers(d=key.private_numbers().d + 2))

    assert refused.value.code == "pem_malformed"
