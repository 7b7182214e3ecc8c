"""The page's server with its stores: the api role as a process, images from the demo's process."""

from __future__ import annotations

import json
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
from tests.awaiting import await_that
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.postgres.migrate import ensure

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("postgres", "redis", "clickhouse")
SCHEMA = PROJECT / "demo" / "site_schema.sql"
WATCHER_SCHEMA = "crucible_watcher"
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.05


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

        def answers() -> bool:
            assert self.api.is_alive(), self.api.last_words()
            try:
                return httpx.get(f"{self.voting.at.api}/openapi.json", timeout=2.0).is_success
            except httpx.HTTPError:
                return False

        await_that(answers, "the api role to answer", told=self.api.last_words)

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
        said = [""]

        def is_there() -> bool:
            answer = httpx.get(f"{self.voting.at.api}/v1/crucibles/{contest.id}", headers=headers)
            said[0] = f"{answer.status_code} {answer.text}"
            return answer.status_code == httpx.codes.OK and answer.json()["entries"] == len(contest.entries)

        await_that(is_there, "the crucible with its entries", told=lambda: f"{said[0]} {self.api.last_words()}")
        return self.voting.page(contest.id, user)

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
