"""The whole topology under a test: started, watched from outside, and ended."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from demo.audit import audit
from demo.pipeline import CONNECTOR, SLOT, Pipeline
from demo.places import UNREACHABLE, Places
from demo.program import OwnProgram
from demo.simulator import Simulator
from stack.probe import http_text
from stack.topology import EVERYTHING, Options, Stack
from tests.awaiting import await_that
from tests.forked import Forked
from tests.stack.watching import provided

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from demo.places import StoreAddresses
    from demo.program import Process
    from stack.leashed import Program
    from stack.topology import PartName

TABLES = ("Crucible", "CrucibleEntry")
Kind = tuple[str, str]
"""Table and operation, ``c``, ``u``, ``d`` or ``r``."""
SELDOM = {"poll.interval.ms": "100"}
"""Laid over the shipped connector, which looks for changes every 10 ms. While there are none, and a test is mostly
waiting, that costs an eighth of a processor in Kafka Connect and some more in the broker."""
PATIENCE_SECONDS = 90.0
"""Seconds for a step that takes 15 at most on two idle cores."""


class ForkedProgram(OwnProgram):
    """One whose modules were imported before it began: that is half of what a command costs."""

    def _begin(self, program: Program) -> Process:
        _, flag, *module = program.command
        assert flag == "-m"
        return Forked(module, program.log, program.environ, program.folder)


class ForkedPipeline(Pipeline):
    """The whole way, its programs forked."""

    program = ForkedProgram


@contextmanager
def running(
    folder: Path,
    options: Options | None = None,
    parts: Sequence[PartName] = EVERYTHING,
    connector: Path = CONNECTOR,
) -> Iterator[Pipeline]:
    """Every part, Debezium streaming, the watcher following; skipped where a part cannot be had."""
    stack = Stack(folder / "stack", parts, options)
    try:
        with provided():
            stack.start()
        with ForkedPipeline(stack, folder, lambda _: None, connector=connector, overlay=SELDOM) as pipeline:
            yield pipeline
    finally:
        stack.close()


def live(pipeline: Pipeline, scenes: int = 150, seed: int = 7) -> None:
    """So many transactions of the site's users, all of them ended."""
    with Simulator(str(pipeline.endpoints.postgres_dsn), seed=seed) as users:
        for _ in range(scenes):
            users.step()
        users.settle()


def delete_connector(pipeline: Pipeline) -> None:
    """Delete the connector with its offsets, as our command does, and its slot, as that command says."""
    pipeline.crucible("connector", "delete", "--offsets", "--yes")
    drop_slot(pipeline)


def drop_slot(pipeline: Pipeline) -> None:
    """Drop the connector's slot once nobody streams from it."""
    free = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s AND active"
    with pipeline.connect() as connection:
        connection.autocommit = True
        await_that(
            lambda: connection.execute(free, (SLOT,)).fetchone() == (0,), "the slot to be free", PATIENCE_SECONDS
        )
        connection.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))


def logged(pipeline: Pipeline) -> Counter[Kind]:
    """What PostgreSQL committed, by its own log."""
    with pipeline.connect() as connection:
        counts = connection.execute("SELECT tbl, op::text, count(*) FROM site_change_log GROUP BY 1, 2")
        return Counter({(str(table), str(operation)): count for table, operation, count in counts})


def count(url: str, metric: str, **labels: str) -> float:
    """Sum of a metric's samples that have these labels; 0 while nobody answers."""
    return sum(value for found, value in _samples(url, metric) if labels.items() <= found.items())


def consumed(url: str) -> Counter[Kind]:
    """Changes that a watcher has read, whatever became of them."""
    samples = _samples(url, "crucible_events_consumed_total")
    kinds = {(found["table"], found["op"]): int(value) for found, value in samples if found["table"] in TABLES}
    return +Counter(kinds)


def unsettled(url: str) -> float:
    """Records read that are neither applied nor ignored nor dead letters yet; 0 at rest, or something is silent."""
    settled = ("crucible_events_applied_total", "crucible_events_ignored_total", "crucible_dlq_events_total")
    return count(url, "crucible_events_consumed_total") - sum(count(url, name) for name in settled)


def await_settled(url: str, wanted: Counter[Kind], watcher: OwnProgram) -> None:
    """Wait until a watcher has read exactly these changes, and all that it has read is in the sinks."""
    await_that(
        lambda: consumed(url) == wanted and unsettled(url) == 0,
        "the watcher to settle what was delivered",
        PATIENCE_SECONDS,
        lambda: f"read {consumed(url)} of {wanted}, {unsettled(url):g} unsettled. {watcher.last_words()}",
    )


def await_agreement(addresses: StoreAddresses) -> None:
    """Wait until the sinks show what PostgreSQL says; what they never come to agree on is told."""
    found = "nobody answers"

    def agree() -> bool:
        nonlocal found
        try:
            report = audit(places)
        except UNREACHABLE as error:
            found = str(error)
            return False
        found = str(report)
        return report.ok

    with Places.at(addresses) as places:
        await_that(agree, "PostgreSQL, ClickHouse and Redis to agree", PATIENCE_SECONDS, lambda: found)


def scenes(simulator: OwnProgram) -> Counter[str]:
    """What the site's users did, by the last line of a simulator that has ended."""
    done = json.loads(simulator.log.read_text().splitlines()[-1])
    return Counter(done["scenes"], rolled_back=done["rolled_back"])


def _samples(url: str, metric: str) -> list[tuple[dict[str, str], float]]:
    text = http_text(urlsplit(url).port or 0, "/metrics", 5) or ""
    some = "\n".join(line for line in text.splitlines() if line.startswith(metric)) + "\n"
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(some)
        for sample in family.samples
        if sample.name == metric
    ]
