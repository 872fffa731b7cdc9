"""An authenticator in software: it answers the ceremonies of WebAuthn as a browser would hand them on, or wrongly."""

import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

ORIGIN = "http://localhost:8000"
_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


@dataclass
class SoftwareKey:
    """One passkey. Its next signature carries `counter + step`; a step of 0 is a passkey that does not count."""

    counter: int = 0
    step: int = 1
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: bytes = b""

    def create(
        self, options: dict[str, Any], *, origin: str = ORIGIN, host: str = "", is_verified: bool = True
    ) -> dict[str, Any]:
        """Answer `begin_registration`. host: what the authenticator takes the site for, if not what it was told."""
        public = options["publicKey"]
        self.user_handle = websafe_decode(public["user"]["id"])
        client = self._client("webauthn.create", public["challenge"], origin)
        credential = AttestedCredentialData.create(
            b"\0" * 16, self.credential_id, ES256.from_cryptography_key(self.private.public_key())
        )
        flags = _PRESENT | _ATTESTED | (_VERIFIED if is_verified else 0)
        data = AuthenticatorData.create(_hash(host or public["rp"]["id"]), flags, self.counter, bytes(credential))
        attestation = AttestationObject.create("none", data, {})
        response = {"clientDataJSON": websafe_encode(client), "attestationObject": websafe_encode(bytes(attestation))}
        return self._answer(response)

    def get(
        self, options: dict[str, Any], *, origin: str = ORIGIN, host: str = "", is_verified: bool = True, **over: Any
    ) -> dict[str, Any]:
        """Answer `begin_authentication`. over: other parts of the response, as text."""
        public = options["publicKey"]
        self.counter += self.step
        client = self._client("webauthn.get", public["challenge"], origin)
        flags = _PRESENT | (_VERIFIED if is_verified else 0)
        data = _hash(host or public["rpId"]) + struct.pack(">BI", flags, self.counter)
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature),
            "userHandle": websafe_encode(self.user_handle),
        }
        return self._answer(response | over)

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        name = websafe_encode(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {"credProps": {"rk": True}},
        }

    def _client(self, kind: str, challenge: str, origin: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()


def _hash(host: str) -> bytes:
    return hashlib.sha256(host.encode()).digest()
