"""Nothing silent: what was consumed is applied, ignored or a dead letter, each counted, whatever comes in."""

from collections import Counter

import httpx
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from demo.pipeline import Pipeline
from tests.admin.conftest import assert_followed
from tests.awaiting import await_that

CHANGES = """
    INSERT INTO "User" (id, username) VALUES (9001, 'conservation') ON CONFLICT DO NOTHING;
    INSERT INTO "Crucible" (id, "userId", name, "updatedAt")
        SELECT 9000 + n, 9001, 'conserved', now() FROM generate_series(1, 5) AS n;
    UPDATE "Crucible" SET name = 'renamed' WHERE id IN (9001, 9002);
    DELETE FROM "Crucible" WHERE id = 9003;
"""
"""Five inserts, two updates, one delete with its tombstone."""
BAD = (b"{", b'{"op":"c"}', b'{"op":"x","source":{"table":"Crucible","lsn":1,"ts_ms":1}}', b"\x00\x00\x00\x00\x07bad")


def scrape(pipeline: Pipeline) -> Counter[tuple[str, str]]:
    """The counters of the books, by metric and table."""
    assert_followed(pipeline)
    text = httpx.get(f"{pipeline.ops_url}/metrics", timeout=10).text
    books: Counter[tuple[str, str]] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in {
                "crucible_events_consumed_total",
                "crucible_events_applied_total",
                "crucible_events_ignored_total",
                "crucible_dlq_events_total",
            }:
                books[sample.name.removeprefix("crucible_").removesuffix("_total"), sample.labels["table"]] += int(
                    sample.value
                )
    return books


def unaccounted(books: Counter[tuple[str, str]]) -> dict[str, int]:
    """What is in none of the three columns on the right, per table."""
    tables = {table for _, table in books}
    return {
        table: left
        for table in tables
        if (
            left := books["events_consumed", table]
            - books["events_applied", table]
            - books["events_ignored", table]
            - books["dlq_events", table]
        )
    }


def test_the_books_balance(pipeline: Pipeline):
    """Changes, a tombstone, and four records that nobody can use: every one is in exactly one column."""
    before = scrape(pipeline)
    producer = Producer({"bootstrap.servers": pipeline.endpoints.bootstrap_servers or ""})
    with pipeline.connect() as connection:
        connection.execute(CHANGES)
    await_that(
        lambda: scrape(pipeline)["events_applied", "Crucible"] - before["events_applied", "Crucible"] == 8,
        "eight changes applied",
    )
    for value in BAD:
        producer.produce("postgres.Crucible", value, key=b"{}")
    assert producer.flush(30) == 0

    def letters() -> int:
        new = scrape(pipeline)
        new.subtract(before)
        return sum(count for (column, _), count in new.items() if column == "dlq_events")

    await_that(lambda: letters() == len(BAD), "four dead letters")

    await_that(lambda: unaccounted(scrape(pipeline)) == {}, "consumed = applied + ignored + dead letters")
    assert scrape(pipeline)["events_consumed", "Crucible"] - before["events_consumed", "Crucible"] >= 8


def test_a_loss_would_show():
    """The control: one change less on the right, and the books say in which table."""
    balanced = Counter({("events_consumed", "Crucible"): 3, ("events_applied", "Crucible"): 3})
    lost = Counter({("events_consumed", "Crucible"): 3, ("events_applied", "Crucible"): 2})

    assert (unaccounted(balanced), unaccounted(lost)) == ({}, {"Crucible": 1})


def test_a_healthy_daemon_is_ready(pipeline: Pipeline):
    """Both probes answer, and readiness names every neighbour."""
    alive = httpx.get(f"{pipeline.ops_url}/livez", timeout=10)
    ready = httpx.get(f"{pipeline.ops_url}/readyz", timeout=10)

    assert (alive.status_code, ready.status_code) == (200, 200)
    assert {"loop", "redis", "clickhouse", "postgres", "kafka"} <= {check["name"] for check in ready.json()["checks"]}
