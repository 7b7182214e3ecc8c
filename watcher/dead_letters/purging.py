"""Which dead letters may be deleted: Kafka deletes the beginning of a partition, and nothing else."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from watcher.kafka.dead_letter_topic import LetterPlace


class Purge(msgspec.Struct):
    """What is to be deleted of one partition."""

    partition: int
    upto: int
    """Everything before this offset goes."""
    done: int = 0
    """Letters among it that are done."""
    not_done: int = 0
    """Letters, and records that are none, among it that are not."""
    behind: int = 0
    """Done letters that have to stay, because one that is not done lies before them."""
    stopped_by: str = ""
    """The letter, PARTITION@OFFSET, behind which nothing goes; empty: there is none."""


def purges(places: Iterable[tuple[LetterPlace, bool]], before: datetime | None = None) -> dict[int, Purge]:
    """Return what is to be deleted of each partition.

    Args:
        places: the topic's records in their order, each with whether it is done.
        before: also what is not done, of records from before this time; None: only what is done.
    """
    found: dict[int, Purge] = {}
    for place, done in places:
        purge = found.setdefault(place.partition, Purge(place.partition, place.offset))
        if purge.stopped_by:
            purge.behind += done
        elif done:
            purge.done, purge.upto = purge.done + 1, place.offset + 1
        elif before is not None and place.letter is not None and place.letter.time < before:
            purge.not_done, purge.upto = purge.not_done + 1, place.offset + 1
        else:
            purge.stopped_by = f"{place.partition}@{place.offset}"
    return found
