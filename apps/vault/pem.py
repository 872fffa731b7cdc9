"""Reading an RSA private key that a person pasted or uploaded. Refusals never show what was given."""

import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from django.views.decorators.debug import sensitive_variables

from apps.vault.errors import KeyRefused

MAX_BYTES = 16 * 1024
MIN_BITS = 2048
MAX_BITS = 8192
MIN_EXPONENT = 65_537
GENERATED_BITS = 2048  # what the exchange itself generates; a signature costs 0.3 ms, six times less than at 4096


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A validated key: the object, and what may be shown of it."""

    private_key: RSAPrivateKey = field(repr=False)
    public_pem: str
    fingerprint: str  # SHA-256 of the public key (DER), hex
    bits: int


@sensitive_variables()
def private_key_read(raw: bytes) -> PrivateKey:
    """Return the one RSA private key in `raw` (PEM, PKCS#1 or PKCS#8), fully validated (40 ms).

    Raises:
        KeyRefused: with a code for programs and a text that says what to do.
    """
    if len(raw) > MAX_BYTES:
        raise _refused(
            "pem_too_large", "This is larger than 16 kB, so it is not a key file. Choose the .key or .pem file."
        )
    text = raw.decode("utf-8-sig", errors="replace").strip()
    _label_check(text)
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        # The only TypeError with no password: the key wants one.
        raise _encrypted() from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(
            "pem_malformed",
            "This key is damaged: a line is missing or changed. Copy the whole file again, "
            "from the BEGIN line to the END line.",
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise _refused("not_rsa", "This is not an RSA key. The exchange signs with RSA: create an RSA key there.")
    _strength_check(key)
    return describe(key)


def private_key_generate() -> PrivateKey:
    return describe(generate_private_key(public_exponent=MIN_EXPONENT, key_size=GENERATED_BITS))


def describe(key: RSAPrivateKey) -> PrivateKey:
    public = key.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PrivateKey(key, pem.decode("ascii"), hashlib.sha256(der).hexdigest(), key.key_size)


def to_der(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _label_check(text: str) -> None:
    """Name the usual mix-ups before a parser calls them all malformed."""
    if "ENCRYPTED" in text:
        raise _encrypted()
    if "BEGIN OPENSSH PRIVATE KEY" in text:
        raise _refused(
            "pem_openssh",
            "This is an OpenSSH key file. Use the file the exchange gave you, or convert a copy with "
            "`ssh-keygen -p -m PEM -f FILE`.",
        )
    if "PRIVATE KEY-----" not in text:
        if "BEGIN PUBLIC KEY" in text or "BEGIN RSA PUBLIC KEY" in text:
            raise _refused("pem_public", "This is the public half. The desk needs the private key file.")
        if "BEGIN CERTIFICATE" in text:
            raise _refused("pem_certificate", "This is a certificate. The desk needs the private key file.")
        raise _refused(
            "pem_missing",
            "There is no private key here. It starts with -----BEGIN PRIVATE KEY----- "
            "or -----BEGIN RSA PRIVATE KEY-----.",
        )
    if text.count("-----BEGIN ") > 1:
        raise _refused("pem_several", "There is more than one block here. Give only the private key.")


def _strength_check(key: RSAPrivateKey) -> None:
    numbers = key.private_numbers()
    bits = key.key_size
    if not MIN_BITS <= bits <= MAX_BITS:
        raise _refused(
            "key_size",
            f"This key has {bits} bits; {MIN_BITS} to {MAX_BITS} are taken. Create a new key at the exchange.",
        )
    if numbers.public_numbers.e < MIN_EXPONENT:
        raise _refused("weak_exponent", "This key has a weak public exponent. Create a new key at the exchange.")
    # Primes that are too near each other are found by Fermat's method (FIPS 186-5, A.1.3).
    if abs(numbers.p - numbers.q).bit_length() <= bits // 2 - 100:
        raise _refused("weak_primes", "This key's primes are too close together. Create a new key at the exchange.")


def _encrypted() -> KeyRefused:
    return _refused(
        "pem_encrypted",
        "This key is protected by a passphrase, and the desk must not keep passphrases. Decrypt a copy with "
        "`openssl pkey -in FILE -out COPY`, add the copy, then delete it.",
    )


def _refused(code: str, text: str) -> KeyRefused:
    return KeyRefused(code, text, fields={"pem": text})
