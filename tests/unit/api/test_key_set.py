"""A key set that is not what it should be, or does not come."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs

from watcher.api.identity import jwks as key_set
from watcher.api.identity.jwks import KeySet, parse

GOOD: dict[str, Any] = RSAAlgorithm.to_jwk(generate_private_key(65_537, 2_048).public_key(), as_dict=True)
UNUSABLE = {
    "without e": {name: value for name, value in GOOD.items() if name != "e"},
    "even e": GOOD | {"e": "BA"},
    "tiny n": GOOD | {"n": "Aw"},
    "n is a number": GOOD | {"n": 7},
    "kid is a list": GOOD | {"kid": ["of these"]},
}


@pytest.mark.parametrize("text", [b'{"keys":' + b"[" * 200_000, b"[" * 200_000, b'{"keys":[7]}', b'{"keys":[]}'])
def test_what_is_no_key_set_is_an_error_that_is_met(text: bytes) -> None:
    """However deep it is: any other exception would end the process."""
    with pytest.raises(ValueError, match=r"key set|Key Set"):
        parse(text)


@pytest.mark.parametrize("key", UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_that_cannot_be_used_leaves_the_others(key: dict[str, Any]) -> None:
    """Before and after it; a set that has no other is an error."""
    others = [GOOD | {"kid": "before"}, key, GOOD | {"kid": "after"}]

    assert list(parse(json.dumps({"keys": others}).encode())) == ["before", "after"]
    with pytest.raises(ValueError, match="no RSA key"):
        parse(json.dumps({"keys": [key]}).encode())


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
async def test_a_server_that_drips_is_given_up(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time and the set never does: its keys are trusted for as long as if nobody answered."""
    monkeypatch.setattr(key_set, "REFRESH_SECONDS", 0.02)
    monkeypatch.setattr(key_set, "RETRY_SECONDS", 0.02)
    whole = json.dumps({"keys": [GOOD | {"kid": "only"}]}).encode()
    dripping = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        try:
            if not dripping.is_set():
                writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + whole)
            else:
                writer.write(begun or b"HTTP/1.1 200 OK\r\nx: ")
                while not reader.at_eof():
                    writer.write(b" ")
                    await asyncio.sleep(0.02)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    serving: list[Any] = []
    now, turns = [0.0], asyncio.Queue[None]()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keys = KeySet(f"http://127.0.0.1:{port}/keys", 1.0, clock=lambda: now[0])
    running = asyncio.create_task(keys.run(lambda: turns.put_nowait(None)))
    try:
        await asyncio.wait_for(turns.get(), 10)
        assert keys.key("only") is not None
        dripping.set()
        now[0] += key_set.TRUSTED_SECONDS
        await asyncio.wait_for(turns.get(), 10)
        with pytest.raises(ConnectionError):
            keys.key("only")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        for one in serving:
            one.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "socks4://127.0.0.1:1", "http://[::1", "quic://x"])
async def test_a_proxy_that_is_of_no_use_leaves_the_api_alive(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set cannot be read, which is told and tried again; tokens of the other kind go on."""
    monkeypatch.setattr(key_set, "RETRY_SECONDS", 0.0)
    monkeypatch.setenv("ALL_PROXY", proxy)
    keys = KeySet("https://outside.example/keys", 5.0)
    with capture_logs() as logs:
        running = asyncio.create_task(keys.run())
        while len(logs) < 2 and not running.done():
            await asyncio.wait([running], timeout=0.02)
        alive = not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert alive
    assert {line["event"] for line in logs} == {"key_set.unreadable"}
    assert all("ALL_PROXY" in line["error"] for line in logs)
    with pytest.raises(ConnectionError):
        keys.ping()
