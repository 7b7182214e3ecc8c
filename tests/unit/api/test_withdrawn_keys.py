"""A key that was withdrawn from the key set is trusted no more, also for tokens that were verified with it."""

import asyncio
import json
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from watcher.api.http.problem import ProblemError
from watcher.api.identity import jwks as key_set
from watcher.api.identity.auth import Authenticator
from watcher.api.identity.jwks import KeySet


def write(path: Path, **keys: RSAPrivateKey) -> None:
    """A key set with these keys, in place of what is there."""
    listed = [{**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid} for kid, key in keys.items()]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": listed}))
    fresh.replace(path)


async def test_a_withdrawn_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its verified tokens are forgotten when the set is read; a set that says the same forgets nothing."""
    monkeypatch.setattr(key_set, "REFRESH_SECONDS", 0.02)
    old, new = generate_private_key(65_537, 2_048), generate_private_key(65_537, 2_048)
    path = tmp_path / "keys.json"
    write(path, old=old, new=new)
    keys, turns = KeySet(str(path), 1.0), asyncio.Queue[None]()
    auth = Authenticator(issuer="site", audience="crucible", rsa_keys=keys.of)
    claims = {"sub": "7", "iss": "site", "aud": "crucible", "exp": int(time.time()) + 600}
    tokens = {kid: jwt.encode(claims, key, "RS256", {"kid": kid}) for kid, key in (("old", old), ("new", new))}
    headers = {kid: [(b"authorization", f"Bearer {token}".encode())] for kid, token in tokens.items()}

    def changed() -> None:
        auth.forget()
        turns.put_nowait(None)

    running = asyncio.create_task(keys.run(changed))
    try:
        await asyncio.wait_for(turns.get(), 5)
        assert {auth.principal(one).user_id for one in headers.values()} == {7}
        write(path, new=new)
        await asyncio.wait_for(turns.get(), 5)
        with pytest.raises(ProblemError) as refused:
            auth.principal(headers["old"])
        assert refused.value.code == "bad_token"
        assert auth.principal(headers["new"]).user_id == 7
        with pytest.raises(TimeoutError):  # it is read again and again, and has not changed
            await asyncio.wait_for(turns.get(), 0.2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_set_that_cannot_be_read_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keys are trusted for a while and then no more, for one may have been withdrawn. They come back with it."""
    monkeypatch.setattr(key_set, "REFRESH_SECONDS", 0.02)
    monkeypatch.setattr(key_set, "RETRY_SECONDS", 0.02)
    key = generate_private_key(65_537, 2_048)
    path, away = tmp_path / "keys.json", tmp_path / "away.json"
    write(path, only=key)
    now = [0.0]
    keys, turns = KeySet(str(path), 1.0, clock=lambda: now[0]), asyncio.Queue[None]()
    running = asyncio.create_task(keys.run(lambda: turns.put_nowait(None)))
    try:
        await asyncio.wait_for(turns.get(), 5)
        path.rename(away)
        now[0] += key_set.TRUSTED_SECONDS - 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns.get(), 0.2)
        assert keys.of("only") is not None

        now[0] += 1
        await asyncio.wait_for(turns.get(), 5)
        with pytest.raises(ConnectionError):
            keys.of("only")

        away.rename(path)
        await asyncio.wait_for(turns.get(), 5)
        assert keys.of("only") is not None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
