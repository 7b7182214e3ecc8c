"""Who asks: bearer tokens, verified once and remembered until they expire.

The algorithm is pinned by the kind of key, never by the token alone: HS256 is tried with the shared secrets and nothing
else, RS256 with RSA keys of the key set and nothing else. So a public key can never serve as a shared secret.
"""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

import jwt
import msgspec

from watcher.api.http.asgi import Header
from watcher.api.http.problem import ProblemError
from watcher.api.remembered import Remembered

MAX_REMEMBERED_TOKENS: Final = 20_000
"""Verified tokens that are remembered; above it the oldest is forgotten and verified again (0.1 ms and more)."""
_LONG_TOKEN_BYTES: Final = 1_024
"""Bytes of a token from which on its digest is remembered in its place: long ones would fill the memory."""
_MAX_HEADS: Final = 16
"""Heads of tokens that are remembered: each issuer and key has one of its own."""
_MAX_ID: Final = 2**31 - 1
_BEARER: Final = b"bearer "
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]


class Principal(msgspec.Struct, frozen=True):
    """Who asks, as the token says."""

    user_id: int
    expires: float
    """When the token expires, leeway included: Unix seconds."""
    verified: bool = False
    """Claim ``verified``: the site has checked who this is."""
    browsing_level: int | None = None
    """Claim ``browsingLevel``, which narrows what the user's row allows; None: the row alone decides."""
    show_nsfw: bool | None = None
    """Claim ``showNsfw``, of which False alone counts; None: the user's row decides."""


KeysOf = Callable[[str | None], Sequence[Any]]
"""The RSA keys of a key id. Raises ``LookupError`` if there is none, ``ConnectionError`` if nobody can tell."""


class Authenticator:
    """Verifies tokens.

    Args:
        issuer: what ``iss`` has to be.
        audience: what ``aud`` has to be or contain.
        secrets: shared secrets of HS256, each is tried; none: HS256 is refused.
        rsa_keys: finds the RSA keys of RS256, each is tried; None: RS256 is refused.
        leeway: seconds by which the clocks may differ.
        max_bytes: bytes of a token that is still looked at.
        clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        secrets: Sequence[bytes] = (),
        rsa_keys: KeysOf | None = None,
        leeway: float = 0.0,
        max_bytes: int = 8_192,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer, self._audience, self._leeway, self._clock = issuer, audience, leeway, clock
        self._secrets, self._rsa_keys, self._max_bytes = tuple(secrets), rsa_keys, max_bytes
        self._known: Remembered[bytes, Principal] = Remembered(MAX_REMEMBERED_TOKENS, clock)
        self._heads: dict[bytes, tuple[object, object]] = {}
        """Algorithm and key id by the heads of tokens that were good: all tokens of a key begin alike."""

    def principal(self, headers: Sequence[Header]) -> Principal:
        """Return who sent these headers.

        Raises:
            ProblemError: nobody that we know; says why, never what the token holds.
        """
        held = b""
        for name, value in headers:
            if name == b"authorization":
                if held:
                    raise ProblemError("bad_token", "there are two Authorization headers")
                held = value
        if len(held) > self._max_bytes + len(_BEARER):
            raise ProblemError("bad_token", f"longer than {self._max_bytes} bytes, which api.token_limit allows")
        name = held if len(held) < _LONG_TOKEN_BYTES else sha256(held).digest()
        known = self._known.get(name)
        if known is not None:
            return known
        if not held:
            raise ProblemError("no_token")
        if held[:7].lower() != _BEARER:
            raise ProblemError("no_token", "the scheme of the Authorization header is not Bearer")
        principal = self._verify(held[7:].strip())
        self._known.put(name, principal, principal.expires - self._clock())
        return principal

    def forget(self) -> None:
        """Verify every token anew: a key that one was verified with may be trusted no more."""
        self._known.clear()
        self._heads.clear()

    def _verify(self, token: bytes) -> Principal:
        text, _, _ = token.partition(b".")
        head = self._heads.get(text)
        if head is not None:
            return self._verify_with(token, *head)
        try:
            told = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise ProblemError("bad_token", "not a signed token") from error
        head = told.get("alg"), told.get("kid")
        principal = self._verify_with(token, *head)
        if len(self._heads) < _MAX_HEADS and len(text) < _LONG_TOKEN_BYTES:
            self._heads[text] = head
        return principal

    def _verify_with(self, token: bytes, algorithm: object, kid: object) -> Principal:
        if algorithm == "HS256" and self._secrets:
            return self._claims(token, "HS256", self._secrets)
        if algorithm == "RS256" and self._rsa_keys is not None:
            try:
                keys = self._rsa_keys(kid if isinstance(kid, str) else None)
            except ConnectionError as error:
                raise ProblemError("keys_away") from error
            except LookupError as error:
                raise ProblemError("bad_token", "no key with this id") from error
            return self._claims(token, "RS256", keys)
        raise ProblemError("bad_token", "signed with an algorithm that is not taken here")

    def _claims(self, token: bytes, algorithm: str, keys: Sequence[Any]) -> Principal:
        last: Exception | None = None
        for key in keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._audience,
                    issuer=self._issuer,
                    leeway=self._leeway,
                    options={"require": _REQUIRED},
                )
            except jwt.InvalidSignatureError as error:
                last = error
                continue
            except jwt.ExpiredSignatureError as error:
                raise ProblemError("token_expired") from error
            except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
                raise ProblemError("bad_token", _without_contents(error)) from error
            return self._principal(claims)
        raise ProblemError("bad_token", "the signature is not ours") from last

    def _principal(self, claims: dict[str, Any]) -> Principal:
        user = claims["sub"]
        if not (isinstance(user, str) and user.isascii() and user.isdigit() and len(user) <= 10):
            raise ProblemError("bad_token", "sub is not the number of a user")
        user_id = int(user)
        if not 1 <= user_id <= _MAX_ID:
            raise ProblemError("bad_token", "sub is not the number of a user")
        try:
            expires = float(claims["exp"]) + self._leeway
        except OverflowError as error:
            raise ProblemError("bad_token", "exp is beyond all time") from error
        level, shown = claims.get("browsingLevel"), claims.get("showNsfw")
        # One of another type is refused and not passed over: it may have been meant to show less than the user's row.
        if level is not None and (not isinstance(level, int) or isinstance(level, bool)):
            raise ProblemError("bad_token", "browsingLevel is not a whole number")
        if shown is not None and not isinstance(shown, bool):
            raise ProblemError("bad_token", "showNsfw is neither true nor false")
        return Principal(
            user_id=user_id,
            expires=expires,
            verified=claims.get("verified") is True,
            browsing_level=None if level is None else max(0, level),
            show_nsfw=shown,
        )


def _without_contents(error: Exception) -> str:
    """Return what the fault is in our words; PyJWT's may quote the token."""
    return {
        "InvalidIssuerError": "iss is not the issuer that is trusted here",
        "InvalidAudienceError": "aud is not this service",
        "MissingRequiredClaimError": "one of exp, iss, aud and sub is missing",
        "ImmatureSignatureError": "not valid yet",
        "InvalidIssuedAtError": "iat is no time",
        "InvalidSubjectError": "sub is not the number of a user",
    }.get(type(error).__name__, "not a valid token")
