"""TLS: who is on the other side is known before a byte of ours leaves."""

import asyncio
import datetime
import ipaddress
import ssl
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from apps.fix.endpoints import Endpoint, EndpointMissing
from apps.fix.transport import Transport, TransportRefused
from tests.support.people import key_pem


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that signs itself: (PEM path, key path, DER)."""
    folder = tmp_path_factory.mktemp("tls")
    key = serialization.load_pem_private_key(key_pem(1).encode(), password=None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fix.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_text(key_pem(1))
    return folder / "cert.pem", folder / "key.pem", made.public_bytes(serialization.Encoding.DER)


async def served(certificate, work):
    """Run `work(port)` against an echo on loopback."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0], certificate[1])
    heard = []

    async def echo(reader, writer):
        data = await reader.read(100)
        heard.append(data)
        writer.write(data)
        await writer.drain()
        writer.close()
        try:
            await writer.wait_closed()
        except (OSError, ssl.SSLError):
            return

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        return await work(server.sockets[0].getsockname()[1]), heard


def talk(endpoint_of):
    async def work(port):
        transport = await Transport.open(endpoint_of(port))
        transport.write(b"hello")
        answer = await transport.read()
        assert await transport.read() == b""
        await transport.close()
        return answer

    return work


def run(certificate, endpoint_of):
    return asyncio.run(served(certificate, talk(endpoint_of)))


def test_a_trusted_certificate(certificate):
    answer, _ = run(certificate, lambda port: Endpoint("127.0.0.1", port, ca_path=str(certificate[0])))

    assert answer == b"hello"


def test_a_certificate_that_nobody_trusts_is_refused(certificate):
    with pytest.raises(TransportRefused, match="TLS failed"):
        run(certificate, lambda port: Endpoint("127.0.0.1", port))


def test_a_pinned_certificate_needs_no_other_trust(certificate):
    pin = sha256(certificate[2]).hexdigest()
    answer, _ = run(certificate, lambda port: Endpoint("127.0.0.1", port, pin=pin))

    assert answer == b"hello"


def test_another_certificate_than_the_pinned_one_hears_nothing(certificate):
    with pytest.raises(TransportRefused, match="not the pinned one"):
        run(certificate, lambda port: Endpoint("127.0.0.1", port, ca_path=str(certificate[0]), pin="0" * 64))


def test_a_plain_port_is_no_tls_port():
    with pytest.raises(TransportRefused):
        run(None, lambda port: Endpoint("127.0.0.1", port))


def test_plain_on_loopback():
    answer, heard = run(None, lambda port: Endpoint("127.0.0.1", port, tls=False))

    assert (answer, heard) == (b"hello", [b"hello"])


def test_nobody_there():
    with pytest.raises(TransportRefused):
        asyncio.run(Transport.open(Endpoint("127.0.0.1", 1, tls=False)))


def test_nothing_below_tls_1_2():
    context = Endpoint("127.0.0.1", 1).context()

    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_trust_anchor_that_cannot_be_read():
    with pytest.raises(EndpointMissing, match="cannot be read"):
        Endpoint("127.0.0.1", 1, ca_path="/nonexistent/ca.pem").context()
