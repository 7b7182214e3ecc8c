"""Which certificate authorities downloads trust: the system's besides the public ones, or those that a variable names.

Behind a private authority the library that downloads knows nobody but the public ones that it brings along.
"""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIBRARY = "REQUESTS_CA_BUNDLE"
"""The variable that the library reads itself."""
VARIABLES = (LIBRARY, "CURL_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE")
"""Variables that name a file of authorities, the one that counts first."""
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""What OpenSSL says of a certificate that nobody vouches for."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificate authorities whom downloads trust, and what named them."""

    file: Path
    """Their certificates."""
    variable: str = ""
    """What names the file; empty: it is the system's and the public ones."""

    def advice(self, error: BaseException) -> str:
        """Return what to do about a download that failed because of a certificate; empty for any other error."""
        if not self.file.exists():
            return f"; {self.variable} names {self.file}, which is not there"
        if UNTRUSTED not in str(error):
            return ""
        among = f" among those of {self.variable}" if self.variable else " here"
        return (
            f"; somebody between signs with an authority that is not known{among}: name that authority's file in "
            "SSL_CERT_FILE, or add it to the system's store (`update-ca-certificates`)"
        )


@contextmanager
def trusted(environ: Mapping[str, str] = os.environ) -> Iterator[Authorities]:
    """Have the library trust the right authorities for the length of the block, and say which."""
    variable = next((name for name in VARIABLES if environ.get(name)), "")
    before = os.environ.get(LIBRARY)
    with TemporaryDirectory(prefix="crucible-authorities-") as folder:
        file = Path(environ[variable]) if variable else _system_and_public(Path(folder) / "authorities.pem")
        os.environ[LIBRARY] = str(file)
        try:
            yield Authorities(file, variable)
        finally:
            if before is None:
                del os.environ[LIBRARY]
            else:
                os.environ[LIBRARY] = before


def _system_and_public(file: Path) -> Path:
    """Write the system's authorities, and the public ones that came with the library, to a file."""
    from certifi import where  # noqa: PLC0415  # it comes with the library

    known = ssl.create_default_context(cafile=where())
    known.load_default_certs()
    found = {*known.get_ca_certs(binary_form=True), *_in_folder(ssl.get_default_verify_paths().capath)}
    file.write_text("".join(map(ssl.DER_cert_to_PEM_cert, sorted(found))))
    return file


def _in_folder(folder: str | None) -> Iterator[bytes]:
    """Yield the certificates of a folder, which OpenSSL itself reads one by one, as it needs them."""
    for path in sorted(Path(folder).glob("*")) if folder else ():
        one = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            one.load_verify_locations(path)
        except (OSError, ssl.SSLError):  # something else, which may lie there too
            continue
        yield from one.get_ca_certs(binary_form=True)
