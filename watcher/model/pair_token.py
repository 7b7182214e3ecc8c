"""The signed token of a served pair: a vote is taken only for a pair that was served to this very judge.

A token says which crucible, which judge, which two entries on which sides, under which level, and until when. It is
not stored anywhere: that it is used once is the judged outcome in the crucible's own state.

Layout, 54 bytes, hence 72 characters of URL-safe base64 without padding::

    version 1 | crucible 4 | user 4 | left 4 | right 4 | level 1 | expiry 4 | HMAC-SHA256 of all that 32

Ids are the site's 32-bit integers.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from watcher.model.words import counted

_VERSION: Final = 1
_FIELDS: Final = struct.Struct(">BIIIIBI")
_LENGTH_CHARACTERS: Final = 72
_MIN_KEY_BYTES: Final = 32
"""Bytes, as many as the signature has: a shorter key would be what an attacker guesses instead."""


class TokenFault(Enum):
    """What is wrong with a token."""

    MALFORMED = "malformed"
    """No token at all: another length, other characters, another version."""
    FORGED = "forged"
    """Signed with none of the keys."""
    FOREIGN = "foreign"
    """Ours, and for another crucible, judge or pair."""
    EXPIRED = "expired"
    """Ours and for this vote, and too old."""


class SignedPair(msgspec.Struct, frozen=True):
    """What a token says."""

    crucible_id: int
    user_id: int
    left: int
    """Entry on the left side."""
    right: int
    level: int
    """Flags under which the pair was chosen."""
    expires: int
    """Unix time in whole seconds; still good in that second."""

    def fault(self, *, crucible_id: int, user_id: int, winner: int, loser: int, now: float) -> TokenFault | None:
        """Return what is wrong with the token for a vote; None if nothing is.

        A token that is both is foreign: only a token for this very vote may be merely expired.
        """
        if self.crucible_id != crucible_id or self.user_id != user_id or {self.left, self.right} != {winner, loser}:
            return TokenFault.FOREIGN
        return TokenFault.EXPIRED if now >= self.expires + 1 else None


class PairTokens:
    """Signs and reads tokens.

    Args:
        keys: secrets of at least 32 bytes. The first signs; tokens of every one are taken, so that a key is changed by
            putting the new one in front, and taking the old one away once its tokens have expired.

    >>> tokens = PairTokens([bytes(32)])
    >>> pair = SignedPair(42, 7, 1, 2, 31, 1_900_000_000)
    >>> tokens.read(tokens.sign(pair)) == pair
    True
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        short = [len(key) for key in keys if len(key) < _MIN_KEY_BYTES]
        if not keys or short:
            given = f"one of {counted(short[0], 'byte')}" if short else "none"
            raise ValueError(
                f"keys of pair tokens: given {given}, expected at least one, each of {_MIN_KEY_BYTES} bytes or more; "
                "make one with `openssl rand -base64 48`"
            )
        self._keys = tuple(hmac.new(key, digestmod="sha256") for key in keys)  # what a key does alone is done once

    def sign(self, pair: SignedPair) -> str:
        """Return the signed token of a pair.

        Raises:
            struct.error: an id or the expiry does not fit 32 bits, or the level 8.
        """
        said = _FIELDS.pack(
            _VERSION, pair.crucible_id, pair.user_id, pair.left, pair.right, pair.level, pair.expires
        )  # fmt: skip
        return urlsafe_b64encode(said + _signature(self._keys[0], said)).decode()

    def read(self, text: str) -> SignedPair | TokenFault:
        """Return what a token says, or what is wrong with it; ``SignedPair.fault`` tells whether it is for a vote."""
        if len(text) != _LENGTH_CHARACTERS or not text.isascii():
            return TokenFault.MALFORMED
        try:
            raw = urlsafe_b64decode(text)
        except ValueError:
            return TokenFault.MALFORMED
        if len(raw) != _FIELDS.size + 32 or raw[0] != _VERSION:  # characters that are none of base64 were skipped
            return TokenFault.MALFORMED
        said, signature = raw[: _FIELDS.size], raw[_FIELDS.size :]
        good = False
        for key in self._keys:  # all of them: how long it takes must not tell which key it was
            good |= hmac.compare_digest(_signature(key, said), signature)
        return SignedPair(*_FIELDS.unpack(said)[1:]) if good else TokenFault.FORGED


def _signature(key: hmac.HMAC, said: bytes) -> bytes:
    signing = key.copy()
    signing.update(said)
    return signing.digest()
