"""What votes have made of a crucible's entries, as Redis holds it; a page at a time, however many there are."""

from collections.abc import Container, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, cast

from watcher.model.rating import BASE_RATING
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, run_script
from watcher.redis.scripts import script

VOTED_ENTRIES: Final = script("voted_entries")
PAGE_ENTRIES: Final = 1_000
"""Entries of one question, about a millisecond of Redis' time. Larger: other crucibles' votes wait; smaller: more round
trips."""


class HeldEntry(NamedTuple):
    """What Redis holds of an entry."""

    rating: int | None
    """None if it holds nothing of it."""
    votes: int


def held_entries(client: Client, crucible_id: int, entry_ids: Sequence[int]) -> Iterator[HeldEntry]:
    """Yield what Redis holds of each of some entries, in their order; of one that is gone, what its votes left it.

    Raises:
        TemporaryError: Redis is away.
    """
    for at in range(0, len(entry_ids), PAGE_ENTRIES):
        answer = run_script(client, VOTED_ENTRIES, [keys.elo(crucible_id)], *entry_ids[at : at + PAGE_ENTRIES])
        for rating, votes in zip(answer[::2], answer[1::2], strict=True):
            yield HeldEntry(None if rating == b"" else rating, votes)


def voted_pages(client: Client, crucible_id: int) -> Iterator[list[tuple[int, int, int]]]:
    """Yield entry, rating and votes of each entry that is there and has a vote, page by page; some entries twice.

    Raises:
        TemporaryError: Redis is away.
    """
    names = client.hscan_iter(keys.votes(crucible_id), count=PAGE_ENTRIES)
    while True:
        with away_is_temporary():
            page = list(islice(cast("Iterator[tuple[bytes, bytes]]", names), PAGE_ENTRIES))
        if not page:
            return
        ids = [int(entry) for entry, _ in page if keys.is_id(entry)]
        held = zip(ids, held_entries(client, crucible_id, ids), strict=True)
        yield [(entry, there.rating, there.votes) for entry, there in held if there.rating is not None]


def moved_besides(client: Client, crucible_id: int, known: Container[int]) -> Iterator[tuple[int, HeldEntry]]:
    """Yield the entries that votes have moved, or counted for, as Redis has it, and that are not known; in no order.

    Args:
        client: Redis.
        crucible_id: whose entries.
        known: entries to pass over.

    Raises:
        TemporaryError: Redis is away.
    """
    base = str(BASE_RATING).encode()
    for name, unmoved in (
        (keys.elo(crucible_id), base),
        (keys.votes(crucible_id), b"0"),
        (keys.left(crucible_id), b""),
    ):
        with away_is_temporary():
            pages = cast("Iterator[tuple[bytes, bytes]]", client.hscan_iter(name, count=PAGE_ENTRIES))
            moved = [int(entry) for entry, told in pages if told != unmoved and keys.is_id(entry)]
        found = [one for one in moved if one not in known]
        yield from zip(found, held_entries(client, crucible_id, found), strict=True)
