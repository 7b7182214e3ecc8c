"""The command that draws entries for a pair, and its answer; without a client, because tests share it."""

from typing import Final, cast

import msgspec

from watcher.model.pairing import PairCandidate
from watcher.redis import keys
from watcher.redis.scripts import script

DRAW = script("draw")


class Drawn(msgspec.Struct, frozen=True, array_like=True):
    """What was drawn, and the crucible as it was in that moment."""

    now_ms: int
    """Redis' clock, milliseconds since 1970: the one that decides whether a vote is in time."""
    status: str
    start: str
    end: str
    level: int
    """Flags of the crucible."""
    row: str
    """The crucible's row, as JSON."""
    visible: int
    """Entries that the judge may see, own ones included."""
    entries: list[PairCandidate]
    """Random ones, each once, without the judge's own; all of them if there are no more than were asked for."""
    top: list[PairCandidate]
    """Those of the highest rating, best first, without the judge's own."""
    frozen: bool
    """Whether the result is being worked out, so that no vote counts any more."""
    open: str
    """The judge's open pairs, as :class:`watcher.model.open_pairs.OpenPairs` reads them; empty if there are none."""
    held: list[PairCandidate]
    """Their entries that are admitted still, but for those of pairs that were judged meanwhile."""
    met: int
    """Pairs that the judge was served: judged, skipped or open."""
    leaders: list[int]
    """The first of the standings, best first, as many as were asked for."""
    admitted: int
    """Entries of the crucible that are admitted, whichever of them the judge may see."""
    votes: int
    """Votes that were counted in the crucible."""

    @property
    def start_ms(self) -> int | None:
        """Return when voting begins, in milliseconds since 1970; None: it has begun."""
        return int(self.start) if self.start else None

    @property
    def end_ms(self) -> int | None:
        """Return the last millisecond of voting; None: there is no end."""
        return int(self.end) if self.end else None

    @property
    def places(self) -> int:
        """Return how many places are paid; 0 for a crucible that pays none."""
        return _row(self.row).places if self.row else 0


class _Row(msgspec.Struct):
    places: int = 0


_row = msgspec.json.Decoder(_Row).decode
_drawn = msgspec.msgpack.Decoder(Drawn).decode


def draw_command(
    crucible_id: int,
    *,
    user_id: int,
    mask: int,
    count: int,
    top: int,
    seed: int,
    if_wanting: bool = False,
    leaders: int = 0,
) -> list[str | int | bytes]:
    """Return the command that draws.

    Args:
        crucible_id: whose entries.
        user_id: the judge; own entries are left out.
        mask: levels that the judge may see; the script takes the crucible's own into account.
        count: random entries.
        top: entries of the highest rating.
        seed: of what the script draws by lot; below 2 ** 31.
        if_wanting: draw nothing if two pairs are open to the judge.
        leaders: entries of the standings to name.
    """
    names = [
        keys.elo(crucible_id),
        keys.state(crucible_id),
        keys.entries(crucible_id),
        keys.votes(crucible_id),
        keys.standings(crucible_id),
        keys.admitted(crucible_id),
        keys.judged(crucible_id, user_id),
        keys.open_pairs(crucible_id, user_id),
    ]
    return ["EVALSHA", DRAW.sha, len(names), *names, user_id, mask, count, top, seed, int(if_wanting), leaders]


PACKED_OUTCOMES: Final = b"packed"
"""What the script answers if what the judge has judged has to be unpacked first, see ``unpack.lua``."""


def drawn(answer: object) -> Drawn | None:
    """Return what the script said; None if Redis does not hold the crucible.

    Args:
        answer: bytes, so from a client that does not decode answers.
    """
    packed = cast("bytes", answer)
    return _drawn(packed) if packed else None
