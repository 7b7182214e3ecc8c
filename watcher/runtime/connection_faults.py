"""Why a connection was not made, in words that name what to look at.

Libraries wrap the errors of the operating system and of OpenSSL several times over and pass on numbers: a certificate
that is signed by itself comes out as "Operation not permitted", plain HTTP behind https:// as "Exec format error".
"""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_NOT_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "UNKNOWN_PROTOCOL",
        "UNSUPPORTED_PROTOCOL",
        "HTTP_REQUEST",
    }
)
"""What OpenSSL says, by version, of an answer that is not TLS."""
_SELF_SIGNED: Final = frozenset({18, 19})
_UNKNOWN_AUTHORITY: Final = frozenset({2, 20, 21})
_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})


def connection_fault(error: BaseException, host: str, port: int, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return why a connection was not made, as the rest of a sentence; None if the error does not say.

    Args:
        error: what a library raised; the errors that caused it are looked at too.
        host: where the connection was to go.
        port: its port.
        environ: where ``SSL_CERT_FILE`` is looked up.

    >>> connection_fault(ConnectionRefusedError(111, "Connection refused"), "a.example", 80)
    'nobody listens at a.example:80'
    """
    for cause in _causes(error):
        if (said := _fault(cause, host, port, environ)) is not None:
            return said
    return None


def _fault(cause: BaseException, host: str, port: int, environ: Mapping[str, str]) -> str | None:
    said = None
    match cause:
        case ssl.SSLCertVerificationError():
            said = _certificate(cause, host, environ)
        case ssl.SSLError():
            said = _tls(cause, host, port)
        case socket.gaierror(errno=socket.EAI_AGAIN):
            said = f"the name {host} could not be looked up: no name server answers"
        case socket.gaierror():
            said = f"the host {host} is not known"
        case ConnectionRefusedError():
            said = f"nobody listens at {host}:{port}"
        case OverflowError():
            said = f"port {port} is none, 1 to 65535 are"
        case OSError(errno=int() as number):
            said = f"{host}:{port} cannot be reached: {os.strerror(number)}"
    return said


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error's causes, the first of all first."""
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    yield error


def _tls(error: ssl.SSLError, host: str, port: int) -> str:
    reason = getattr(error, "reason", None) or str(error)
    if reason in _NOT_TLS:
        return f"{host}:{port} does not speak TLS"
    if isinstance(error, ssl.SSLEOFError) or reason == "UNEXPECTED_EOF_WHILE_READING":
        return f"{host}:{port} closed the connection before TLS began; does it speak TLS?"
    return f"TLS with {host}:{port} failed: {reason.replace('_', ' ').lower()}"


def _certificate(error: ssl.SSLCertVerificationError, host: str, environ: Mapping[str, str]) -> str:
    named = environ.get("SSL_CERT_FILE")
    if named and not Path(named).is_file():
        return f"the certificate of {host} cannot be verified: SSL_CERT_FILE names {named}, which is no file"
    if error.verify_code in _SELF_SIGNED:
        return (
            f"the certificate of {host} is signed by itself or by an authority that this machine does not trust; name "
            "that authority's file in SSL_CERT_FILE"
        )
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return (
            f"the certificate of {host} is signed by an authority that this machine does not know; name that "
            "authority's file in SSL_CERT_FILE"
        )
    if error.verify_code == _EXPIRED:
        return f"the certificate of {host} has expired"
    if error.verify_code in _OTHER_NAME:
        return f"the certificate is not for {host}"
    return f"the certificate of {host} cannot be verified: {error.verify_message}"
