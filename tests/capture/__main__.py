"""Runs every take before the real connector and writes the records of ``debezium/envelopes/``."""

import base64
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from psycopg import sql

import debezium
from stack import Stack
from tests import site_database
from tests.awaiting import await_that
from tests.capture.takes import TAKES, Record, Take
from watcher.admin.connector.apply import apply_plan
from watcher.admin.connector.file import read_connector_file
from watcher.admin.connector.plan import plan_connector
from watcher.admin.connector.rest import Connect
from watcher.migrations.postgres.migrate import ensure
from watcher.model.registry import WATCHER_SCHEMA

PATIENCE_SECONDS = 60.0
"""Seconds for a take's records to arrive."""


def main() -> None:
    """Capture all takes, or those named on the command line."""
    wanted = [take for take in TAKES if not sys.argv[1:] or take.name in sys.argv[1:]]
    with Stack(parts=("postgres", "kafka", "connect", "registry")) as stack:
        for number, take in enumerate(wanted):
            _run(stack, take, f"site_{number}")


def _run(stack: Stack, take: Take, database: str) -> None:
    """A database, a slot and a connector of its own; the topics' earlier records are left alone."""
    administrator = stack.endpoints.postgres_dsn
    assert administrator is not None
    with psycopg.connect(administrator, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    dsn = psycopg.conninfo.make_conninfo(administrator, dbname=database)
    site_database.prepare(dsn)
    ensure(site_database.as_role(dsn, site_database.WATCHER_ROLE), WATCHER_SCHEMA)
    overlay = [f"database.dbname={database}", f"slot.name={database}"]
    overlay += ["heartbeat.interval.ms=1000", *take.overlay]
    file = read_connector_file(take.file, name=database, overlay=overlay)
    worker = Connect(str(stack.endpoints.connect_url), 30.0)
    with (
        psycopg.connect(dsn, autocommit=True) as site,
        _records(str(stack.endpoints.bootstrap_servers)) as records,
    ):
        site.execute(debezium.PREPARATION[0].read_bytes())  # again, for the watcher's own tables
        for statement in take.before:
            site.execute(statement.encode())
        apply_plan(worker, file, plan_connector(worker, file), timeout=PATIENCE_SECONDS)
        _await_slot(site, database)
        for statement in take.after:
            site.execute(statement.encode())
        if take.copied:
            with site.cursor().copy("""COPY "CrucibleEntry" ("crucibleId", "userId", "imageId") FROM STDIN""") as copy:
                copy.write("\n".join(take.copied) + "\n")
        _pick(take, records, str(stack.endpoints.registry_url))
        worker.delete(database)


class _records:  # noqa: N801 - used as a function
    """Every record from now on, of every topic; topics that are made meanwhile are found."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "capture",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._known = {(p.topic, p.partition): p.offset for p in self._ends()}
        self._assigned: set[tuple[str, int]] = set()

    def __enter__(self) -> Iterator[Message]:
        return self._stream()

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def _partitions(self) -> list[TopicPartition]:
        topics = self._consumer.list_topics(timeout=10).topics
        return [
            TopicPartition(name, partition)
            for name, topic in topics.items()
            if name.startswith(("postgres.", "crucible.", "__debezium-heartbeat."))
            for partition in topic.partitions
        ]

    def _ends(self) -> Iterator[TopicPartition]:
        for one in self._partitions():
            one.offset = self._consumer.get_watermark_offsets(one, timeout=10)[1]
            yield one

    def _stream(self) -> Iterator[Message]:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            new = [one for one in self._partitions() if (one.topic, one.partition) not in self._assigned]
            for one in new:
                one.offset = self._known.get((one.topic, one.partition), 0)
            if new:
                self._consumer.incremental_assign(new)
                self._assigned |= {(one.topic, one.partition) for one in new}
            for message in self._consumer.consume(500, timeout=0.2):
                if message.error() is None:
                    yield message


def _await_slot(site: psycopg.Connection[Any], slot: str) -> None:
    active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    await_that(lambda: site.execute(active, (slot,)).fetchone() == (True,), f"somebody to stream from slot {slot}")


def _pick(take: Take, records: Iterator[Message], registry: str) -> None:
    missing = dict(take.picks)
    for message in records:
        record = _avro(message, registry) if take.file == debezium.CONNECTOR_AVRO else _plain(message)
        for name, matches in list(missing.items()):
            if matches(record):
                _write(name, record)
                del missing[name]
                break
        if not missing:
            return
    raise TimeoutError(f"{take.name}: not seen within {PATIENCE_SECONDS:g} s: {', '.join(missing)}")


def _plain(message: Message) -> Record:
    return {"topic": message.topic(), "key": _json(message.key()), "value": _json(message.value())} | _headers(message)


def _json(raw: bytes | None) -> Any:
    """The document, which encoded again compactly gives the same bytes: the file is readable and exact."""
    if raw is None:
        return None
    document = json.loads(raw)
    assert json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() == raw
    return document


def _avro(message: Message, registry: str) -> Record:
    """Key and value as the bytes they are, with the schemas that they name."""
    record: Record = {"topic": message.topic(), "key": None, "value": None} | _headers(message)
    schemas = {}
    for side, raw in (("key", message.key()), ("value", message.value())):
        if raw is not None:
            record[side] = {"base64": base64.b64encode(raw).decode()}
            number = int.from_bytes(raw[1:5], "big")
            schemas[str(number)] = json.loads(httpx.get(f"{registry}/schemas/ids/{number}").json()["schema"])
    return record | {"schemas": schemas}


def _headers(message: Message) -> Record:
    return {"headers": {name: (value or b"").decode() for name, value in message.headers() or ()}}


def _write(name: str, record: Record) -> None:
    debezium.ENVELOPES.mkdir(exist_ok=True)
    file = debezium.ENVELOPES / f"{name}.json"
    file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stderr.write(f"wrote {file.name}\n")


if __name__ == "__main__":
    main()
