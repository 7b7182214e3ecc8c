"""A key set that is not what it should be, or does not come."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs

from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.keys import keys
from watcher.api.http.problem import ProblemError
from watcher.api.identity import jwks as key_set
from watcher.api.identity.auth import Authenticator
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


def test_a_short_key_is_none() -> None:
    """Also where the set says that it signs: whoever finds it out signs as anybody."""
    short = RSAAlgorithm.to_jwk(generate_private_key(65_537, 1_024).public_key(), as_dict=True)  # noqa: S505 - that is the point

    with capture_logs() as logs, pytest.raises(ValueError, match="no RSA key"):
        parse(json.dumps({"keys": [short]}).encode())
    assert "1024 bits" in logs[0]["error"]


def test_a_private_key_is_taken_for_its_public_one() -> None:
    """Whoever put it there has to change it, and can still do that while people get in."""
    private = RSAAlgorithm.to_jwk(generate_private_key(65_537, 2_048), as_dict=True)

    ((key,),) = parse(json.dumps({"keys": [private]}).encode()).values()
    assert hasattr(key, "verify")


async def test_each_key_that_may_be_meant_is_tried(tmp_path: Path) -> None:
    """Two without an id, two of the same id; and all of them for a token that names none."""
    makers = {name: generate_private_key(65_537, 2_048) for name in ("a", "b", "c", "d", "stranger")}
    kids = {"a": None, "b": None, "c": "same", "d": "same"}
    listed = []
    for name, kid in kids.items():
        one = RSAAlgorithm.to_jwk(makers[name].public_key(), as_dict=True)
        listed.append(one if kid is None else {**one, "kid": kid})
    path, read = tmp_path / "keys.json", asyncio.Event()
    path.write_text(json.dumps({"keys": listed}))
    keys = KeySet(str(path), 1.0)
    auth = Authenticator(issuer="site", audience="crucible", rsa_keys=keys.of)
    claims = {"sub": "7", "iss": "site", "aud": "crucible", "exp": int(time.time()) + 600}

    def who(maker: str, kid: str | None) -> int | str:
        token = jwt.encode(claims, makers[maker], "RS256", None if kid is None else {"kid": kid})
        try:
            return auth.principal([(b"authorization", f"Bearer {token}".encode())]).user_id
        except ProblemError as problem:
            return problem.code

    running = asyncio.create_task(keys.run(read.set))
    try:
        await asyncio.wait_for(read.wait(), 5)
        assert [who(maker, None) for maker in ("a", "b", "c", "d", "stranger")] == [7, 7, 7, 7, "bad_token"]
        assert [who(maker, "same") for maker in ("c", "d", "a", "stranger")] == [7, 7, "bad_token", "bad_token"]
        assert [who(maker, "new") for maker in ("a", "b", "c", "stranger")] == [7, 7, "bad_token", "bad_token"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


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
                    await asyncio.sleep(0.02)  # time is what is tested: each byte comes long before the deadline
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
        assert keys.of("only") is not None
        dripping.set()
        now[0] += key_set.TRUSTED_SECONDS
        await asyncio.wait_for(turns.get(), 10)
        with pytest.raises(ConnectionError):
            keys.of("only")
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


def test_the_doctor_tells_which_keys_cannot_be_used(tmp_path: Path) -> None:
    """By their ids, beside how many can; nothing is logged between its lines, and a set that is away is not one."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [GOOD | {"kid": "good"}, GOOD | {"kid": "odd", "n": 7}]}))

    with capture_logs() as logs:
        (found,) = keys(asyncio.run(KeySet(str(file), 5.0).look()))
    file.write_text(json.dumps({"keys": [GOOD]}))
    (well,) = keys(asyncio.run(KeySet(str(file), 5.0).look()))

    assert (found.level, logs) == (Level.WARN, [])
    assert found.found.startswith("1 key of RS256, and 1 that cannot be used: odd: ")
    assert (well.level, well.found) == (Level.OK, "1 key of RS256")
    with pytest.raises(FileNotFoundError):
        asyncio.run(KeySet(str(tmp_path / "none.json"), 5.0).look())
