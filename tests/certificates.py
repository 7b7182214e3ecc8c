"""Certificates that nobody vouches for."""

import datetime as dt
import ssl
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def certificate(
    folder: Path, *, host: str = "127.0.0.1", days: int = 1, self_signed: bool = True
) -> tuple[ssl.SSLContext, Path]:
    """Return what a server needs, and the certificate's file: with a self-signed one, that of the authority as well.

    Args:
        folder: where the certificate is written, alone; its key lies beside the folder.
        host: the address that it is for.
        days: from now on for which it is good; below 0: it has expired.
        self_signed: whether it names itself as who signed it, and not an authority that nobody knows.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a company")])
    issuer = name if self_signed else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=3))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    folder.mkdir(exist_ok=True)
    file, key_file = folder / "company.pem", folder.with_name(f"{folder.name}-key.pem")
    file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return context, file
