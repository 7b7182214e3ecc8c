"""Signed tokens of served pairs."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.pair_token import PairTokens, SignedPair, TokenFault

OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))
TOKENS = PairTokens([NEW, OLD])
PAIR = SignedPair(crucible_id=42, user_id=7, left=11, right=12, level=3, expires=1_000)
VOTE = {"crucible_id": 42, "user_id": 7, "winner": 12, "loser": 11, "now": 999.0}
ids = st.integers(0, 2**32 - 1)


@given(st.builds(SignedPair, ids, ids, ids, ids, st.integers(0, 31), ids))
def test_what_is_signed_is_read(pair: SignedPair) -> None:
    """Every id of the site, at every level."""
    assert TOKENS.read(TOKENS.sign(pair)) == pair


@given(st.integers(0, 71), st.characters(codec="ascii"))
def test_a_token_with_another_character_is_none_of_ours(at: int, character: str) -> None:
    """Whichever character is changed: no bit of a token is unsigned."""
    text = TOKENS.sign(PAIR)
    changed = text[:at] + character + text[at + 1 :]

    read = TOKENS.read(changed)

    if changed.translate(str.maketrans("+/", "-_")) == text:  # the other spelling of the same bits
        assert read == PAIR
    else:
        assert read in {TokenFault.FORGED, TokenFault.MALFORMED}


@pytest.mark.parametrize("text", ["", "x", "A" * 71, "A" * 73, "!" * 72, "é" * 72, "A" * 10_000])
def test_what_does_not_look_like_a_token_is_malformed(text: str) -> None:
    """It is told from a forged one, and no key is asked."""
    assert TOKENS.read(text) is TokenFault.MALFORMED


def test_the_first_key_signs_and_every_key_verifies() -> None:
    """So a key can be changed while votes go on; a key that is taken away no longer counts."""
    old, new = PairTokens([OLD]).sign(PAIR), PairTokens([NEW]).sign(PAIR)

    assert TOKENS.sign(PAIR) == new != old
    assert TOKENS.read(old) == PAIR
    assert PairTokens([NEW]).read(old) is TokenFault.FORGED
    assert PairTokens([OTHER]).read(new) is TokenFault.FORGED


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({}, None),
        ({"winner": 11, "loser": 12}, None),
        ({"now": 1_000.9}, None),
        ({"now": 1_001.0}, TokenFault.EXPIRED),
        ({"crucible_id": 43}, TokenFault.FOREIGN),
        ({"user_id": 8}, TokenFault.FOREIGN),
        ({"winner": 13}, TokenFault.FOREIGN),
        ({"winner": 12, "loser": 12}, TokenFault.FOREIGN),
        ({"user_id": 8, "now": 5_000.0}, TokenFault.FOREIGN),
    ],
)
def test_a_token_is_for_one_crucible_judge_pair_and_time(other: dict[str, float], fault: TokenFault | None) -> None:
    """Either way round: the judge decides which of the two wins."""
    assert PAIR.fault(**(VOTE | other)) is fault  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, b"short"]])
def test_keys_that_could_be_guessed_are_refused(keys: list[bytes]) -> None:
    """The message says how to make one, and not what was given."""
    with pytest.raises(ValueError, match="openssl rand") as error:
        PairTokens(keys)

    assert "short" not in str(error.value)


def test_sides_are_part_of_what_is_signed() -> None:
    """Which side an entry was shown on can be told afterwards."""
    other = msgspec.structs.replace(PAIR, left=PAIR.right, right=PAIR.left)

    assert TOKENS.sign(other) != TOKENS.sign(PAIR)
