"""Whether a table still has to be compared because of its dead letters, once letters were taken again."""

from collections.abc import Iterable, Mapping

import msgspec

from watcher.model.need_reason import NeedReason
from watcher.model.words import counted
from watcher.postgres.own import dead_letters, reconcile_needed
from watcher.postgres.own.reconcile_needed import Need
from watcher.postgres.session import Session


class TableStanding(msgspec.Struct, frozen=True):
    """How a table stands that was to be compared because of its letters."""

    table: str
    settled: bool
    """Nothing is left to compare because of letters."""
    why: str
    """In words; with the next command where something is left."""


def settle(
    session: Session, topic_id: str, needs: Iterable[Need], left: Mapping[str, int], low: Mapping[int, int]
) -> list[TableStanding]:
    """Take away the needs of tables whose refused changes are all accounted for, and return how each table stands.

    A need tells where the first and the last refused change lay, and how often one was. It goes if all letters are done
    that there are, both of these were among them, no fewer letters than that were there, and none has left the topic
    without having been done; and only if nothing was refused since it was read.

    Args:
        session: PostgreSQL.
        topic_id: Kafka's id of the dead-letter topic.
        needs: as they were before the topic was gone through.
        left: letters that are not done, by table.
        low: first offset that each partition of the topic still holds.
    """
    purged = dead_letters.purged(session, topic_id)
    expired = any(first > purged.get(partition, 0) for partition, first in low.items())
    lost = dead_letters.lost(session, topic_id)
    return [
        _settled(
            session,
            topic_id,
            need,
            left.get(need.source_table, 0),
            gone=expired or (lost is not None and lost >= need.since),
        )
        for need in needs
        if need.reason == NeedReason.DEAD_LETTER
    ]


def _settled(session: Session, topic_id: str, need: Need, left: int, *, gone: bool) -> TableStanding:
    table = need.source_table
    compare = f"compare it with `crucible reconcile --table {table} --fix`"
    if left:
        return TableStanding(table, settled=False, why=f"{left} of its letters are not done; else {compare}")
    if gone:
        return TableStanding(table, settled=False, why=f"letters have left the topic that nobody had taken: {compare}")
    places = {place.partition(" ")[0] for place in (need.found.first, need.found.last)}
    if dead_letters.found(session, topic_id, table, places) != places or (
        dead_letters.count(session, topic_id, table) < need.found.times
    ):
        return TableStanding(
            table, settled=False, why=f"more was refused than there are letters ({need.found.times}): {compare}"
        )
    if not dead_letters.settled(session, need):
        if (table, need.reason) not in {(one.source_table, one.reason) for one in reconcile_needed.needs(session)}:
            return TableStanding(table, settled=True, why="another run has seen to that")
        return TableStanding(table, settled=False, why="changes were refused meanwhile: run this again")
    return TableStanding(table, settled=True, why=f"{counted(need.found.times, 'refusal')}, all accounted for")
