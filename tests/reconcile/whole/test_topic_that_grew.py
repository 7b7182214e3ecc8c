"""The topic of entries gets more partitions while people are at it, and Redis has lost the crucibles.

A creation lies in an old partition, its deletion in a new one that is read first: who shows what the stream says last
shows for good what is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from demo.pipeline import SHUTDOWN_SECONDS
from tests.awaiting import await_that
from tests.reconcile.whole import people
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole

TOPIC = "postgres.CrucibleEntry"
CRUCIBLES = 6
ENTRIES = 100
"""Made in each of them, and every second one is deleted."""
BEFORE = 25_000
"""Made in another crucible before those: old partitions are read for seconds until they come. Meanwhile their crucibles
are built, after deletions were read in the new ones."""
MORE = 5
"""Partitions that the topic gets besides those that it has."""


def grow(whole: Whole) -> range:
    """Give the topic more partitions; return their numbers."""
    servers = whole.environ["CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS"]
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})

    def partitions() -> int:
        return len(admin.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions)

    before = partitions()
    admin.create_partitions([NewPartitions(TOPIC, before + MORE)])[TOPIC].result(30)
    await_that(lambda: partitions() == before + MORE, "more partitions", PATIENCE_SECONDS)
    return range(before, before + MORE)


def records(whole: Whole, partitions: range) -> int:
    """Return how many records some partitions have got."""
    consumer = Consumer(
        {"bootstrap.servers": whole.environ["CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS"], "group.id": "counts", "log_level": 0}
    )
    try:
        return sum(consumer.get_watermark_offsets(TopicPartition(TOPIC, one), timeout=30)[1] for one in partitions)
    finally:
        consumer.close()


def test_nothing_that_was_deleted_is_shown_after_a_topic_grew(whole: Whole) -> None:
    """Nor is it counted, and all that is left is shown, with people living and judging around it.

    This holds the outcome, not the rule that brings it about: it passes without the rule as well. That one wants a
    crucible that is absent when a deletion is read and built before its creation is. Here the watcher has all of them
    built before it has joined its group, so that a deletion finds one that is there and leaves its mark; to take
    it away at the first of ten thousand deletions showed nothing. ``tests/votes/test_gone.py`` takes the steps in their
    order, and fails without the rule.
    """
    with whole.site() as site:
        (standing,) = site.execute("""SELECT min(id) FROM "Crucible" WHERE name = 'standing'""").fetchone() or (0,)
        crucibles = [(site.execute(people.OPEN, ("growing",)).fetchone() or (0,))[0] for _ in range(CRUCIBLES)]
    with whole.people():
        assert whole.pipeline.watcher.stop(SHUTDOWN_SECONDS) == 0
        with whole.site() as site:
            site.execute(people.ENTER, (standing, BEFORE))
            made = [key for one in crucibles for (key,) in site.execute(people.ENTER, (one, ENTRIES)).fetchall()]
            gone = made[::2]
            new = grow(whole)
            # Its producer goes by the partitions that it knows until it is made anew, or for minutes.
            whole.pipeline.crucible("connector", "restart", "--all")
            site.execute('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', (gone,))
        await_that(lambda: records(whole, new) > len(gone) // 4, "deletions in new partitions", PATIENCE_SECONDS)
        with whole.places() as places:
            for one in crucibles:
                keys = [f"crucible:{one}:elo", *places.redis.scan_iter(f"{{crucible:{one}:elo}}*", count=10_000)]
                places.redis.delete(*keys)
        whole.pipeline.start_watcher()
        whole.await_counted(made[1::2])
    with whole.places() as places:
        ratings = [f"crucible:{one}:elo" for one in crucibles]
        await_that(lambda: places.redis.exists(*ratings) == CRUCIBLES, "crucibles to be shown", PATIENCE_SECONDS)
        held = {int(key) for one in ratings for key in places.redis.hkeys(one)}

    assert held.isdisjoint(gone)
    whole.await_right()
