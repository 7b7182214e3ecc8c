"""One test's own corner: a database, crucibles with entries, judges who vote, and processes that drain and keep."""

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import redis
from clickhouse_connect.driver.client import Client
from prometheus_client import CollectorRegistry

from config import Settings, load
from stack.topology import Stack
from tests import command
from tests.acceptance.daemon import REPOSITORY, Daemon
from tests.awaiting import PATIENCE_SECONDS, await_that
from tests.clickhouse_clients import ClickHouseClients
from tests.clickhouse_template import copy_template
from tests.votes.judges import MAX_LOG, Cast, send
from watcher.bootstrap.verification import Verification, compose_verification
from watcher.bootstrap.votes import VoteTasks
from watcher.migrations.postgres.migrate import ensure
from watcher.model.effects import EntryState
from watcher.model.errors import TemporaryError
from watcher.model.vote import Vote
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.identity import identity_of
from watcher.telemetry.metrics import Metrics
from watcher.votes.report import VoteReport

_NUMBERS = count(1)
_ENVIRON = threading.Lock()
"""The variables of this process are one for all of its threads; settings of a corner are read from them by turns."""
BREATH_SECONDS = 0.02
"""Between two round trips of judges who vote all the while: a thousand votes a second, or a test is busy with their
number."""


class VoteWorld:
    """A corner.

    Args:
        stack: the parts, running.
        folder: for logs.
    """

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.name = f"v{uuid.uuid4().hex[:10]}"
        self.cast = Cast()
        self._daemons: list[Daemon] = []
        self._judge = 10_000 * next(_NUMBERS)
        self.redis = redis.Redis.from_url(str(stack.endpoints.redis_url))
        self.redis.flushall()
        with self.site() as site:  # whoever keeps crucibles keeps all that are active
            site.execute('TRUNCATE "Crucible" CASCADE')
        self._clients = ClickHouseClients(stack.endpoints)
        copy_template(self._clients.of("default"), self.name)
        ensure(str(stack.endpoints.postgres_dsn), self.name)
        self.environ = {
            **stack.environ(),
            "CRUCIBLE_CLICKHOUSE__DATABASE": self.name,
            "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": self.name,
            "CRUCIBLE_VOTES__DRAIN_INTERVAL": "0.05",
            "CRUCIBLE_VOTES__MAX_PLAN_VOTES": "300",  # so that some hundred votes are several plans
            "CRUCIBLE_VOTES__VERIFY_INTERVAL": "0.5",
            "CRUCIBLE_ENTRIES__MODE": "observe",  # of no test here
            "CRUCIBLE_LOG__LEVEL": "debug",
            "CRUCIBLE_LOG__FORMAT": "json",
        }
        self.metrics = Metrics(CollectorRegistry())

    # -- the site -----------------------------------------------------------------------------------------------------

    def crucible(self, entries: int = 20, status: str = "Active") -> int:
        """A crucible of PG, and entries with images that may be shown; each of another user."""
        with self.site() as site:
            row = site.execute(
                """INSERT INTO "Crucible" ("userId", name, "nsfwLevel", status, "startAt", "endAt", "updatedAt")
                   VALUES (1, 'of a test', 31, %s::"CrucibleStatus", now() AT TIME ZONE 'UTC' - interval '1 hour',
                           now() AT TIME ZONE 'UTC' + interval '1 day', now()) RETURNING id""",
                [status],
            ).fetchone()
            assert row is not None
            self.enter(row[0], entries)
        return int(row[0])

    def enter(self, crucible_id: int, entries: int) -> list[int]:
        """More entries."""
        with self.site() as site:
            rows = site.execute(
                """WITH image AS (
                       INSERT INTO "Image" ("userId", url, "nsfwLevel", ingestion, "updatedAt")
                       SELECT 1 + n %% 3, 'image', 1, 'Scanned', now() FROM generate_series(1, %s) n
                       RETURNING id, "userId"
                   ) INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId")
                     SELECT %s, "userId", id FROM image RETURNING id""",
                [entries, crucible_id],
            ).fetchall()
        return [row[0] for row in rows]

    def entries(self, crucible_id: int) -> list[int]:
        """Ids of the entries that PostgreSQL has."""
        with self.site() as site:
            rows = site.execute('SELECT id FROM "CrucibleEntry" WHERE "crucibleId" = %s ORDER BY id', [crucible_id])
            return [row[0] for row in rows]

    def take_out(self, crucible_id: int, entry_id: int) -> EntryState:
        """Delete an entry; returns what it was."""
        with self.site() as site:
            row = site.execute(
                """DELETE FROM "CrucibleEntry" WHERE "crucibleId" = %s AND id = %s
                   RETURNING "userId", "imageId", (extract(epoch FROM "createdAt") * 1000)::bigint""",
                [crucible_id, entry_id],
            ).fetchone()
        assert row is not None
        return EntryState(crucible_id, entry_id, *row)

    def put_back(self, entry: EntryState) -> None:
        """Enter it again, as it was."""
        with self.site() as site:
            site.execute(
                """INSERT INTO "CrucibleEntry" ("crucibleId", id, "userId", "imageId", "createdAt")
                   VALUES (%s, %s, %s, %s, to_timestamp(%s / 1000.0) AT TIME ZONE 'UTC')""",
                [entry.crucible_id, entry.entry_id, entry.user_id, entry.image_id, entry.created_at],
            )

    def log_end(self) -> int:
        """Where PostgreSQL's log ends now: what is said to have been written there is newer than any comparison."""
        with self.site() as site:
            row = site.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
        assert row is not None
        return int(row[0])

    def held(self, crucible_id: int, entry_id: int) -> tuple[Any, Any]:
        """Rating and number of votes that Redis has of an entry."""
        names = keys.elo(crucible_id), keys.votes(crucible_id)
        return tuple(self.redis.hget(name, str(entry_id)) for name in names)  # type: ignore[return-value]

    @contextmanager
    def site(self) -> Iterator[psycopg.Connection[Any]]:
        """The site's database."""
        with psycopg.connect(str(self.stack.endpoints.postgres_dsn), autocommit=True) as site:
            yield site

    # -- judges -------------------------------------------------------------------------------------------------------

    def vote(
        self,
        *crucible_ids: int,
        votes: int,
        seed: int = 0,
        until: Callable[[], bool] | None = None,
        max_log: int = MAX_LOG,
    ) -> int:
        """Judges vote, each once; answers are noted. Returns how many counted."""
        random, counted = Random(seed + self._judge), 0
        entries = {one: self.entries(one) for one in crucible_ids}
        sent = 0
        while sent < votes and not (until and until()):
            some = []
            for _ in range(min(25, votes - sent)):
                self._judge += 1
                crucible_id = random.choice(crucible_ids)
                some.append(Vote(crucible_id, self._judge, *random.sample(entries[crucible_id], 2)))
            sent += len(some)
            counted += send(self.redis, some, self.cast, max_log)
        return counted

    @contextmanager
    def judging(self, *crucible_ids: int, seed: int = 1) -> Iterator[None]:
        """Judges vote all the while."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self.vote,
            args=crucible_ids,
            kwargs={"votes": 10**9, "seed": seed, "until": lambda: stop.wait(BREATH_SECONDS)},
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()

    # -- ours ---------------------------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """The settings of this corner."""
        with _ENVIRON:
            before = dict(os.environ)
            os.environ.update(self.environ)
            try:
                return load()
            finally:
                os.environ.clear()
                os.environ.update(before)

    @contextmanager
    def verification(self) -> Iterator[Verification]:
        """A verifier in this process."""
        verification = compose_verification(self.settings(), VoteReport(self.metrics.votes))
        try:
            yield verification
        finally:
            verification.close()

    @contextmanager
    def tasks(self) -> Iterator[VoteTasks]:
        """What looks after votes, in this process; whoever wants a turn of it takes it."""
        with self.verification() as verification:
            tasks = VoteTasks(self.settings(), VoteReport(self.metrics.votes), verification)
            try:
                yield tasks
            finally:
                tasks.close()

    def keep(self, *crucible_ids: int) -> list[Comparison]:
        """Have crucibles verified."""
        with self.verification() as verification:
            return [verification.verifier.verify(one) for one in crucible_ids]

    def start(self, *arguments: str, **environ: str) -> Daemon:
        """A process that drains and keeps; keywords are settings without their prefix, or a fail point."""
        given = {f"CRUCIBLE_{name.upper()}": value for name, value in environ.items()}
        daemon = Daemon(self.environ | given, self.folder, ("tests.votes.process", *arguments))
        self._daemons.append(daemon)
        return daemon

    def crucible_command(self, *arguments: str) -> command.Done:
        """Run the command as a person would."""
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1"}
        return command.crucible(*arguments, environ={**own, **self.environ}, folder=REPOSITORY)

    def undrained(self) -> int:
        """Votes in Redis' logs, and open plans."""
        try:
            logs = self.redis.scan_iter("*:log", count=10_000)
            plans = self.redis.scan_iter("crucible:drain:*", count=10_000)
            return sum(int(self.redis.xlen(name)) for name in logs) + sum(1 for _ in plans)  # type: ignore[arg-type]
        except redis.RedisError:
            return -1

    def await_drained(self) -> None:
        """Wait until ClickHouse has every vote."""

        def told() -> str:
            return f"{self.undrained()} left. " + "\n".join(one.last_words() for one in self._daemons)

        await_that(lambda: self.undrained() == 0, "every vote drained", told=told)

    def await_votable(self, *crucible_ids: int) -> None:
        """Wait until votes are accepted."""

        def votable() -> bool:
            with suppress(redis.RedisError):
                identity = identity_of({**self.redis.info("server"), **self.redis.info("replication")}).encode()
                return all(self.redis.hget(keys.state(one), "fence") == identity for one in crucible_ids)
            return False

        def told() -> str:
            states = [self.redis.hgetall(keys.state(one)) for one in crucible_ids]
            return f"{states} " + "\n".join(one.last_words() for one in self._daemons)

        await_that(votable, "votes are accepted", told=told)

    def drained(self) -> None:
        """Drain in this process until nothing is left."""
        with self.tasks() as tasks:

            def is_empty() -> bool:
                with suppress(TemporaryError):
                    for bucket in range(keys.BUCKETS):
                        tasks.drain.turn(bucket)
                return not self.undrained()

            await_that(is_empty, "the logs to be drained")

    # -- Redis' files -------------------------------------------------------------------------------------------------

    def copy_redis(self) -> Path:
        """A copy of Redis' files as they are now; no vote may be under way."""
        there = self.folder / "older"
        shutil.copytree(self.stack.redis.folder / "data", there)
        return there

    def set_redis_back(self, older: Path) -> None:
        """Kill Redis, put the copy in the place of its files, start it."""
        self.stack.redis.kill()
        data = self.stack.redis.folder / "data"
        shutil.rmtree(data)
        shutil.copytree(older, data)
        self.start_redis()

    def start_redis(self) -> None:
        """Start Redis on the files that are there."""
        self.stack.redis.start()
        self.stack.redis.await_ready()

    # -- ClickHouse ---------------------------------------------------------------------------------------------------

    @contextmanager
    def clickhouse(self, database: str | None = None) -> Iterator[Client]:
        """A client of the test's database."""
        yield self._clients.of(database or self.name)

    def ask(self, query: str) -> list[Any]:
        """Rows from ClickHouse."""
        with self.clickhouse() as client:
            return list(client.query(query).result_rows)

    def end_processes(self) -> None:
        """End what was started here."""
        for daemon in self._daemons:
            daemon.kill()

    def close(self) -> None:
        """Give the corner back."""
        self.redis.close()
        with self.clickhouse("default") as client:
            client.command(f"DROP DATABASE IF EXISTS {self.name} SYNC")
        self._clients.close()
