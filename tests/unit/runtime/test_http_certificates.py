"""The HTTP client and certificates: whom this machine trusts, and what is said of the others."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.unit.runtime.http_peers import OK, client, refused, says, serve
from watcher.runtime.http_client import RequestNotSentError


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    """A key that everybody here signs with."""
    return ec.generate_private_key(ec.SECP256R1())


Context = Callable[..., tuple[ssl.SSLContext, Path]]


@pytest.fixture
def certificate(key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> Context:
    """Makes what a server with a certificate needs, and the certificate's file."""

    def make(host: str = "127.0.0.1", days: int = 1, *, self_signed: bool = True) -> tuple[ssl.SSLContext, Path]:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
        issuer = name if self_signed else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=3))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
        file.write_bytes(made.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file, key_file)
        return context, file

    return make


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "is signed by itself or by an authority that this machine does not trust"),
        ({"self_signed": False}, "is signed by an authority that this machine does not know"),
    ],
)
async def test_a_certificate_that_is_not_trusted(certificate: Context, given: dict[str, Any], said: str) -> None:
    """Named as what it is, with the variable that helps; not sent."""
    tls, _ = certificate(**given)
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}")

    assert type(error) is RequestNotSentError
    assert said in str(error)
    assert "SSL_CERT_FILE" in str(error)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"days": -1}, "has expired"), ({"host": "127.0.0.2"}, "the certificate is not for 127.0.0.1")],
)
async def test_a_trusted_certificate_that_does_not_fit(
    certificate: Context, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], said: str
) -> None:
    """Too old, or somebody else's."""
    tls, file = certificate(**given)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}")

    assert type(error) is RequestNotSentError
    assert said in str(error)


async def test_the_systems_store_can_be_another_one(certificate: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SSL_CERT_FILE`` names whom this machine trusts, here as everywhere."""
    tls, file = certificate()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(says(OK), tls) as port:
        answer = await client(f"https://127.0.0.1:{port}").request("GET")

    assert answer.body == b"hi"


async def test_a_store_that_is_not_there(certificate: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL passes it over in silence, and then trusts nobody."""
    tls, file = certificate()
    monkeypatch.setenv("SSL_CERT_FILE", f"{file}.gone")
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}", environ={"SSL_CERT_FILE": f"{file}.gone"})

    assert f"SSL_CERT_FILE names {file}.gone, which is no file" in str(error)
