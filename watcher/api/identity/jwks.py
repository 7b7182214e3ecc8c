"""The public keys of RS256: a JSON Web Key Set from a file or an address, read again when a key id is unknown."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import jwt
import structlog

from watcher.model.errors import TemporaryError
from watcher.runtime.http_client import HttpClient
from watcher.telemetry.redaction import describe

log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 300.0
"""Seconds after which the set is read again anyway, so that a key that was withdrawn is not trusted for long."""
TRUSTED_SECONDS: Final = 3600.0
"""Seconds for which keys are trusted while the set cannot be read. Longer: a key that was withdrawn meanwhile opens the
door for longer; shorter: an outage of whoever serves the set soon ends all voting."""
MIN_READ_INTERVAL_SECONDS: Final = 10.0
"""Seconds between two reads, however many unknown key ids come in."""
RETRY_SECONDS: Final = 1.0
"""Seconds until a set that could not be read is asked for again."""
MIN_KEY_BITS: Final = 2_048
"""Bits of an RSA key (RFC 7518, 3.3). Shorter ones can be found out, and then anybody signs as anybody."""
MAX_TRIED_KEYS: Final = 16
"""Keys that a token is tried with which does not say which is its own. More: forged tokens cost more."""
MAX_SET_BYTES: Final = 1_000_000
"""Bytes of a key set."""


class KeySet:
    """RSA keys by id.

    Args:
        source: where the set is: a path, or an address with https://, or http:// on this machine.
        timeout: seconds to wait for it, from the first byte asked to the last one read.
        clock: monotonic seconds.
    """

    def __init__(self, source: str, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._http = HttpClient("the key set", "api.jwks", source, timeout, max_bytes=MAX_SET_BYTES)
        self._keys: dict[str | None, list[Any]] = {}
        self._read_at = float("-inf")
        self._wanted = asyncio.Event()

    def of(self, kid: str | None) -> Sequence[Any]:
        """Return the keys that a token may be signed with, of which each has to be tried.

        Args:
            kid: the id that the token names: those of that id, or where there is none those without an id. None: all.

        Raises:
            ConnectionError: not known yet; a fresh set is being read.
            LookupError: the set has no such key.
        """
        found = [key for some in self._keys.values() for key in some] if kid is None else self._keys.get(kid, [])
        if found:
            return found[:MAX_TRIED_KEYS]
        is_stale = self._clock() - self._read_at >= MIN_READ_INTERVAL_SECONDS
        if is_stale:
            self._wanted.set()
        if unnamed := self._keys.get(None):
            return unnamed[:MAX_TRIED_KEYS]
        if is_stale:
            raise ConnectionError("the key set is being read")
        raise LookupError("no such key")

    def ping(self) -> str:
        """Return how many keys there are, in words; may be called by any thread.

        Raises:
            ConnectionError: none, so nobody who comes with a token of them can be told from anybody else.
        """
        if not self._keys:
            raise ConnectionError("api.jwks: the key set was not read yet, or not for too long")
        return f"{sum(map(len, self._keys.values()))} known"

    async def run(self, changed: Callable[[], None] = lambda: None) -> None:
        """Keep the set fresh until cancelled.

        Args:
            changed: called when the keys are others than before.
        """
        while True:
            self._wanted.clear()
            try:
                keys = parse(await self._read())
                self._read_at = self._clock()
                if keys != self._keys:
                    self._keys = keys
                    changed()
            except (OSError, ValueError, TemporaryError) as error:
                log.warning("key_set.unreadable", error=describe(error))
                if self._keys and self._clock() - self._read_at >= TRUSTED_SECONDS:
                    self._keys = {}
                    changed()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._wanted.wait()

    async def look(self) -> tuple[int, list[str]]:
        """Return how many keys the set has, and what is said of those that cannot be used; nothing is remembered.

        Raises:
            OSError, ValueError, TemporaryError: it cannot be read, or is none.
        """
        unusable = list[str]()
        keys = parse(await self._read(), lambda kid, error: unusable.append(f"{kid}: {error}"))
        return sum(map(len, keys.values())), unusable

    async def _read(self) -> bytes:
        if not self._source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        answer = await self._http.request("GET")
        if not answer.is_success:
            raise TemporaryError(f"{self._http.where} answered {answer.status} {answer.reason}")
        return answer.body


def _public_key(one: dict[str, Any]) -> Any:
    """Return the key of a member of a set.

    Raises:
        PyJWTError: it is none.
        ValueError: it is too short.
    """
    key = jwt.PyJWK(one, algorithm="RS256").key
    if key.key_size < MIN_KEY_BITS:
        raise ValueError(f"{key.key_size} bits, at least {MIN_KEY_BITS} are needed: make a longer key")
    return key if hasattr(key, "verify") else key.public_key()  # a private one that somebody put there


def _log_unusable(kid: str, error: str) -> None:
    log.warning("key_set.key_unusable", kid=kid, error=error)


def parse(text: bytes, on_unusable: Callable[[str, str], None] = _log_unusable) -> dict[str | None, list[Any]]:
    """Return the RSA signing keys of a set, by id; keys of other kinds, or that cannot be used, are passed over.

    One that lacks a member or whose numbers are no key's must not take the others with it (RFC 7517, section 5).

    Args:
        text: the set.
        on_unusable: told of the id of a signing key that cannot be used, and why.

    Raises:
        ValueError: this is no key set, or it has no usable key.
    """
    try:
        listed = json.loads(text)["keys"]
        found: dict[str | None, list[Any]] = {}
        for one in listed:
            if one.get("kty") == "RSA" and one.get("use", "sig") == "sig" and one.get("alg", "RS256") == "RS256":
                try:
                    key = _public_key(one)
                    found.setdefault(one.get("kid"), []).append(key)
                except (jwt.PyJWTError, TypeError, ValueError) as error:
                    on_unusable(str(one.get("kid"))[:100], f"{type(error).__name__}: {error}")
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a JSON Web Key Set: {type(error).__name__}") from error
    if not found:
        raise ValueError("the key set has no RSA key for RS256 signatures")
    return found
