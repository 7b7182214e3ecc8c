"""The page's server with its stores: the api role as a process, images from the demo's process."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import httpx
import psycopg
import redis

from demo.program import PROJECT, OwnProgram
from demo.voting import Voting
from stack.ports import Ports
from stack.topology import Stack
from tests.arena.site import Contest, Site
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.postgres.migrate import ensure

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("postgres", "redis", "clickhouse")
SCHEMA = PROJECT / "demo" / "site_schema.sql"
WATCHER_SCHEMA = "crucible_watcher"
PATIENCE = 60.0
LOOK = 0.05


class World:
    """Everything behind the page. Closed by the caller.

    Args:
        folder: for data and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder / "stack", parts=PARTS)
        self.ports = Ports()
        self.voting = Voting(folder, self.ports)
        self._folder = folder
        self._closing: list[Any] = []
        self.api = OwnProgram("api", ("-m", "watcher", "run", "--role", "api"), folder, {})

    def start(self) -> None:
        """Start it all; the parts may be unavailable."""
        self.stack.start()
        ops_port = self.ports.take()
        ops = {
            "CRUCIBLE_ENTRIES__MODE": "observe",
            "CRUCIBLE_OPS__HOST": "127.0.0.1",
            "CRUCIBLE_OPS__PORT": str(ops_port),
        }
        limits = {"CRUCIBLE_API__VOTES_PER_MINUTE": "6000", "CRUCIBLE_API__READS_PER_MINUTE": "60000"}
        environ = {**self.stack.environ(), **self.voting.environ(), **ops, **limits}
        self.api = OwnProgram("api", ("-m", "watcher", "run", "--role", "api"), self._folder, environ)
        at = self.stack.endpoints
        self.redis = redis.Redis.from_url(at.redis_url or "", decode_responses=True)
        postgres = psycopg.connect(at.postgres_dsn or "", autocommit=True)
        clickhouse = clickhouse_connect.get_client(
            host=at.clickhouse_host or "",
            port=at.clickhouse_port or 0,
            username=at.clickhouse_user,
            password=at.clickhouse_password or "",
            database=at.clickhouse_database or "default",
            autogenerate_session_id=False,
        )
        self._closing += [self.redis, postgres, clickhouse]
        postgres.execute(SCHEMA.read_text(encoding="utf-8"))  # type: ignore[arg-type]
        ensure(at.postgres_dsn or "", WATCHER_SCHEMA)
        self.site = Site(postgres)
        migrate.up(clickhouse, Deployment())
        self.voting.start_pictures()
        self.start_api()

    def start_api(self) -> None:
        """Start the api role and wait until it answers."""
        self.api.start()
        until = time.monotonic() + PATIENCE
        while True:
            assert self.api.is_alive(), self.api.last_words()
            assert time.monotonic() < until, self.api.last_words()
            try:
                httpx.get(f"{self.voting.at.api}/openapi.json", timeout=2.0).raise_for_status()
            except httpx.HTTPError:
                time.sleep(LOOK)
            else:
                return

    def close(self) -> None:
        """End it all."""
        self.api.kill()
        self.voting.pictures.kill()
        for each in self._closing:
            each.close()
        self.stack.close()
        self.ports.close()

    def open(self, contest: Contest, user: int | None = None) -> str:
        """Address of the page for a user, once the crucible is there with all its entries."""
        user = user or self.site.user()
        headers = {"Authorization": f"Bearer {self.voting.sign_in.token(user)}"}
        until = time.monotonic() + PATIENCE
        while True:
            answer = httpx.get(f"{self.voting.at.api}/v1/crucibles/{contest.id}", headers=headers)
            if answer.status_code == httpx.codes.OK and answer.json()["entries"] == len(contest.entries):
                return self.voting.page(contest.id, user)
            assert time.monotonic() < until, f"{answer.status_code} {answer.text} {self.api.last_words()}"
            time.sleep(LOOK)

    def freeze(self, contest: Contest, state: str = "frozen") -> None:
        """Refuse votes from now on, and write down how far the end is."""
        self.redis.hset(f"{{crucible:{contest.id}:elo}}:state", "frozen", "1:0")
        self.site.freeze(contest, state)

    def settle(self, contest: Contest, *prizes: int) -> None:
        """Write a result, and have Redis show the crucible's row as the change stream would."""
        at = f"{{crucible:{contest.id}:elo}}:state"
        self.site.settle(contest, *prizes)
        row = json.loads(self.redis.hget(at, "row") or "{}")  # type: ignore[arg-type]
        self.redis.hset(at, mapping={"status": "Completed", "row": json.dumps(row | {"status": "Completed"})})

    def ratings(self, contest: Contest) -> dict[int, int]:
        """Entry -> rating in Redis."""
        found: dict[str, str] = self.redis.hgetall(f"crucible:{contest.id}:elo")  # type: ignore[assignment]
        return {int(entry): int(rating) for entry, rating in found.items()}

    def votes(self, contest: Contest) -> int:
        """Votes that counted."""
        return int(self.redis.hget(f"{{crucible:{contest.id}:elo}}:state", "seq") or 0)  # type: ignore[arg-type]
