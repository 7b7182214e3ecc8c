"""The HTTP client and certificates: whom this machine trusts, and what is said of the others."""

from pathlib import Path
from typing import Any

import pytest

from tests.certificates import certificate
from tests.unit.runtime.http_peers import OK, client, refused, says, serve
from watcher.runtime.http_client import RequestNotSentError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "is signed by itself or by an authority that this machine does not trust"),
        ({"self_signed": False}, "is signed by an authority that this machine does not know"),
    ],
)
async def test_a_certificate_that_is_not_trusted(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    """Named as what it is, with the variable that helps; not sent."""
    tls, _ = certificate(tmp_path / "trusted", **given)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], said: str
) -> None:
    """Too old, or somebody else's."""
    tls, file = certificate(tmp_path / "trusted", **given)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}")

    assert type(error) is RequestNotSentError
    assert said in str(error)


async def test_the_systems_store_can_be_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SSL_CERT_FILE`` names whom this machine trusts, here as everywhere."""
    tls, file = certificate(tmp_path / "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(says(OK), tls) as port:
        answer = await client(f"https://127.0.0.1:{port}").request("GET")

    assert answer.body == b"hi"


async def test_a_store_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL passes it over in silence, and then trusts nobody."""
    tls, file = certificate(tmp_path / "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", f"{file}.gone")
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}", environ={"SSL_CERT_FILE": f"{file}.gone"})

    assert f"SSL_CERT_FILE names {file}.gone, which is no file" in str(error)
