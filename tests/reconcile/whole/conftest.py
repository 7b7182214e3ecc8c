"""The whole production topology, once, with people at it; what each test does to it is mended before the next."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect import get_client

from demo.pipeline import Pipeline
from demo.places import UNREACHABLE, Places
from demo.voting import Voting
from stack.ports import Ports
from stack.topology import EVERYTHING, Options, Stack
from tests.awaiting import await_that
from tests.command import crucible
from tests.pipeline.running import SELDOM, delete_connector, drop_slot
from tests.reconcile.whole import people
from tests.reconcile.whole.books import SHOWN, counted, disagreements
from tests.stack.watching import provided

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import psycopg

HERE = Path(__file__).parent
LOG = logging.getLogger(__name__)
"""Shown by ``ARGS="--log-cli-level=INFO"``."""
PATIENCE_SECONDS = 150.0
"""Seconds for one step, on a machine that others work on."""
COMMAND_SECONDS = 600.0
FILLED = 300
"""Entries of each crucible that is there before anybody watches."""
VOTES_A_SECOND = 6.0
MOST_RUNS = 5
"""Of the command until it finds nothing: while people are at it, a change may still be on its way at the end."""
ALL_REFUSED = {"CRUCIBLE_DEAD_LETTERS__SHARE": "1"}
"""The watcher goes on though most records are refused: what they leave is to be mended."""

Mended = Counter[tuple[str, str]]
"""Table and kind of difference -> rows that were put right."""


class Whole:
    """The topology under test.

    Args:
        pipeline: prepared, streaming, with a watcher that has all roles.
        voting: who judges there.
    """

    def __init__(self, pipeline: Pipeline, voting: Voting) -> None:
        self.pipeline, self.voting = pipeline, voting
        self.environ = {**os.environ, **pipeline.environ}

    def site(self) -> psycopg.Connection[Any]:
        """Connect to the site's database as its owner; each statement is committed at once."""
        connection = self.pipeline.connect()
        connection.autocommit = True
        return connection

    def people(self, *, votes: bool = True) -> people.People:
        """Have people live and judge for the length of a block."""
        judges = self.voting.judges(self.pipeline.environ, seconds=3600, rate=VOTES_A_SECOND, seed=3)
        return people.People(str(self.pipeline.endpoints.postgres_dsn), judges if votes else None)

    def places(self) -> Places:
        """Connect to the three stores."""
        return Places.at(self.pipeline.endpoints)

    def counted(self, keys: Iterable[int], source: str = "CrucibleEntry") -> set[int]:
        """Return those of some rows that count for something, by ClickHouse."""
        with self.places() as places:
            return counted(places, keys, source)

    def enter(self, entries: int) -> list[int]:
        """Have so many entries made that nobody else touches; return their ids."""
        with self.site() as site:
            (standing, *_) = site.execute(
                """SELECT id FROM "Crucible" WHERE name = 'standing' ORDER BY id"""
            ).fetchall()
            return [key for (key,) in site.execute(people.ENTER, (standing[0], entries))]

    def await_counted(self, keys: Iterable[int], source: str = "CrucibleEntry") -> None:
        """Wait until each of some rows counts."""
        wanted = set(keys)
        await_that(
            lambda: self.counted(wanted, source) == wanted, "rows to be counted", PATIENCE_SECONDS, self.last_words
        )

    def last_words(self) -> str:
        """Return the end of the watcher's log."""
        return self.pipeline.watcher.last_words()

    def reconcile(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run ``crucible reconcile --json``; return its exit code and its report."""
        began = time.monotonic()
        done = crucible("reconcile", "--json", *arguments, environ=self.environ, timeout=COMMAND_SECONDS)
        LOG.info("%s: %d after %.1f s: %s", arguments, done.returncode, time.monotonic() - began, done.stdout)
        assert done.returncode in {0, 1}, (done.stdout, done.stderr)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def mended(self) -> Mended:
        """Have the command put right what it finds, until it finds nothing; return what it has put right."""
        mended: Mended = Counter()
        for _ in range(MOST_RUNS):
            code, report = self.reconcile("--fix")
            for table in report["tables"]:
                for kind, rows in table["mended"].items():
                    mended[table["table"], kind] += rows
            if code == 0:
                return mended
        pytest.fail(f"after {MOST_RUNS} runs there still was something to mend: {report}")

    def replayed(self) -> None:
        """Have all dead letters taken again, and the rows of those that cannot be used compared, until all are done."""
        for _ in range(MOST_RUNS):
            done = crucible(
                "dlq", "replay", "--all", "--compare", "--json", environ=self.environ, timeout=COMMAND_SECONDS
            )
            LOG.info("replay: %d: %s", done.returncode, done.stdout[:2_000])
            if done.returncode == 0:
                return
        pytest.fail(f"after {MOST_RUNS} runs some letters are not done: {done.stdout[-2_000:]} {done.stderr[-2_000:]}")

    def await_right(self, expired: Collection[int] = ()) -> None:
        """Wait until all stores say the same, and the command finds nothing; nobody may be at it."""
        found = ["nobody answers"]

        def agree() -> bool:
            try:
                with self.places() as places:
                    found[:] = disagreements(places, expired)
            except UNREACHABLE as error:
                found[:] = [str(error)]
            return not found

        await_that(
            agree, "the stores to agree", PATIENCE_SECONDS, lambda: f"{len(found)} disagreements: {found[:SHOWN]}"
        )
        code, report = self.reconcile()
        assert code == 0, json.dumps(report)

    def drop_slot(self) -> None:
        """Drop the connector's slot, once nobody streams from it."""
        drop_slot(self.pipeline)

    def delete_connector(self) -> None:
        """Delete the connector with its offsets and its slot."""
        delete_connector(self.pipeline)

    @contextmanager
    def unpublished(self, table: str) -> Iterator[None]:
        """Have nobody told of a table's changes for the length of a block."""
        with self.site() as site:
            site.execute(f'ALTER PUBLICATION crucible DROP TABLE "{table}"')
            yield
            site.execute(f'ALTER PUBLICATION crucible ADD TABLE "{table}"')

    def fill(self) -> None:
        """Have at least three crucibles that stay, with entries."""
        with self.site() as site:
            standing = site.execute("""SELECT id FROM "Crucible" WHERE name = 'standing'""").fetchall()
            for _ in range(3 - len(standing)):
                (key,) = site.execute(people.OPEN, (people.STANDING,)).fetchone() or (0,)
                site.execute(people.ENTER, (key, FILLED))
            site.execute(people.DISCUSS)

    def clickhouse(self, statement: str) -> None:
        """Have a statement carried out by ClickHouse, though it may be the same as one before, and wait until it is."""
        at = self.pipeline.endpoints
        with get_client(
            host=at.clickhouse_host, port=at.clickhouse_port, username=at.clickhouse_user,
            password=at.clickhouse_password or "", database=str(at.clickhouse_database),
        ) as client:  # fmt: skip
            client.command(statement, settings={"mutations_sync": 2, "insert_deduplicate": 0})


@contextmanager
def _started(folder: Path) -> Iterator[Whole]:
    stack = Stack(folder / "stack", EVERYTHING, Options(fsync=False))
    ports = Ports()
    voting = Voting(folder, ports)
    try:
        with provided():
            stack.start()
        pipeline = Pipeline(
            stack, folder, lambda _: None, {**voting.environ(), **ALL_REFUSED}, role="all", overlay=SELDOM
        )
        try:
            whole = Whole(pipeline, voting)
            pipeline.prepare_site()
            with whole.site() as site:
                site.execute(people.PEOPLE)
                site.execute(people.IMAGES)
            whole.fill()  # before anybody watches
            pipeline.migrate()
            pipeline.apply_connector()
            pipeline.start_watcher()
            yield whole
        finally:
            pipeline.close()
    finally:
        stack.close()
        ports.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder takes minutes."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.soak("takes minutes"))


@pytest.fixture(scope="package")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Everything, once, in the place of a site that was there before."""
    with _started(tmp_path_factory.mktemp("whole")) as whole:
        yield whole


@pytest.fixture
def whole(topology: Whole) -> Whole:
    """Everything, at rest, and all stores in agreement."""
    if not topology.pipeline.watcher.is_alive():
        topology.pipeline.start_watcher()
    topology.fill()
    topology.mended()
    topology.await_right()
    return topology
