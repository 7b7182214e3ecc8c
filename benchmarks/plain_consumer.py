"""The consumer that people write instead: read a second's records, parse, insert, set, commit.

    python -m benchmarks.plain_consumer

Takes the watcher's settings. It keeps none of its promises: what it has read counts twice after a crash, rows of two
partitions overtake each other, a record that it cannot parse is lost, nothing is decided and nobody is shown or hidden.
What the watcher takes of a core is compared with it, side by side on the same records.
"""

import json
from typing import Any, Final

from confluent_kafka import Consumer
from redis import Redis

from config import load
from watcher.bootstrap.clients import connect_clickhouse_as_it_is

BATCH_RECORDS: Final = 10_000
BATCH_SECONDS: Final = 1.0
"""Five times as long as the watcher gathers, so that it is not by haste that this one costs more."""
TABLE: Final = "plainConsumerRows"
COLUMNS: Final = ("source", "id", "op", "owner", "at_ms")


def main() -> None:
    """Consume the records that come from now on, until the process is killed."""
    settings = load()
    consumer = Consumer(
        settings.kafka.client()
        | {"group.id": "plain-consumer", "enable.auto.commit": False, "auto.offset.reset": "latest"}
    )
    consumer.subscribe([*settings.kafka.topics])
    shown = Redis.from_url(settings.redis.url.get_secret_value())
    clickhouse = connect_clickhouse_as_it_is(settings)
    clickhouse.command(
        f"CREATE TABLE IF NOT EXISTS {TABLE} "
        "(source LowCardinality(String), id Int64, op LowCardinality(String), owner Int64, at_ms Int64) "
        "ENGINE = MergeTree ORDER BY (source, id)"
    )
    while True:
        records = consumer.consume(BATCH_RECORDS, BATCH_SECONDS)
        rows = [row for one in records if (value := one.value()) and (row := _row(value))]
        if rows:
            clickhouse.insert(TABLE, rows, column_names=COLUMNS)
            pipeline = shown.pipeline(transaction=False)
            for source, number, op, owner, _ in rows:
                pipeline.hset(f"plain:{source}:{number}", mapping={"op": op, "owner": owner})
            pipeline.execute()
            consumer.commit(asynchronous=False)


def _row(value: bytes) -> tuple[Any, ...] | None:
    """Return what is inserted of a change; None of what is none."""
    try:
        change = json.loads(value)
    except ValueError:
        return None
    if not isinstance(change, dict):
        return None
    row = change.get("after") or change.get("before") or {}
    source = change.get("source") or {}
    number, owner = row.get("id") or row.get("entryId") or 0, row.get("userId") or 0
    return source.get("table", ""), number, change.get("op", ""), owner, source.get("ts_ms") or 0


if __name__ == "__main__":
    main()
