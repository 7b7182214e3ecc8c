"""A site with the vote API beside it: real Redis, PostgreSQL and ClickHouse, and the API as the shipped command."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import redis
from psycopg import sql

from stack import Stack
from stack.probe import http_status
from tests import command, site_database
from tests.acceptance.daemon import Daemon
from tests.awaiting import await_that
from watcher.model.pair_token import PairTokens, SignedPair

SECRET = "a-secret-of-these-tests-that-is-long-enough"
PAIR_SECRET = "another-secret-of-these-tests-for-their-pairs"
ISSUER, AUDIENCE = "https://site.test", "crucible"
PATIENCE_SECONDS = 20.0
NOW = "2026-01-01"


def token(user: int | str, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A bearer token as the site issues them; a claim of None is left out."""
    told: dict[str, Any] = {"sub": str(user), "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600, **claims}
    return jwt.encode({name: value for name, value in told.items() if value is not None}, secret, algorithm)


PAIRS = PairTokens([PAIR_SECRET.encode()])


def pair_token(contest: "Contest", user: int, left: int, right: int, expires: float | None = None) -> str:
    """A pair token as the API signs them."""
    until = int(time.time() + 600 if expires is None else expires)
    return PAIRS.sign(SignedPair(contest.id, user, left, right, 31, until))


def bearer(user: int | str, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user, **claims)}"}


class Site:
    """The parts, prepared as an administrator prepares them.

    Args:
        stack: the parts.
        folder: for logs.
        anew: each API is started as a shell would (see :class:`tests.acceptance.daemon.Daemon`).
    """

    def __init__(self, stack: Stack, folder: Path, *, anew: bool = False) -> None:
        self.stack, self.folder, self._anew = stack, folder, anew
        self.started: list[Api] = []
        dsn = str(stack.endpoints.postgres_dsn)
        site_database.prepare(dsn)
        self.postgres = psycopg.connect(dsn, autocommit=True)
        self.environ = {
            **stack.environ(),
            "CRUCIBLE_POSTGRES__DSN": site_database.as_role(dsn, site_database.WATCHER_ROLE),
            "CRUCIBLE_OPS__HOST": "127.0.0.1",
            "CRUCIBLE_OPS__PORT": "0",
            "CRUCIBLE_API__HOST": "127.0.0.1",
            "CRUCIBLE_API__PORT": "0",
            "CRUCIBLE_API__ISSUER": ISSUER,
            "CRUCIBLE_API__AUDIENCE": AUDIENCE,
            "CRUCIBLE_API__HS256_SECRETS": SECRET,
            "CRUCIBLE_API__PAIR_SECRETS": PAIR_SECRET,
            "CRUCIBLE_API__VOTES_PER_MINUTE": "100000",
            "CRUCIBLE_API__READS_PER_MINUTE": "100000",
            "CRUCIBLE_API__IMAGE_URL": "https://images.test/{url}",
            "CRUCIBLE_ENTRIES__MODE": "observe",  # of no test here
            "CRUCIBLE_LOG__FORMAT": "json",
        }
        self.crucible("migrate", "up")

    def close(self) -> None:
        self.postgres.close()

    def crucible(self, *arguments: str, without: str = "") -> command.Done:
        """Run a verb of the command line to its end, perhaps without one of the settings."""
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
        environ = {**kept, **self._without(without), "NO_COLOR": "1", "COLUMNS": "200"}
        return command.crucible(*arguments, environ=environ)

    def _without(self, name: str) -> dict[str, str]:
        return {key: value for key, value in self.environ.items() if key != name}

    def one(self, query: Any, *parameters: Any) -> Any:
        """The first column of the first row."""
        row = self.postgres.execute(query, parameters).fetchone()
        return row[0] if row else None

    def insert(self, table: str, **columns: Any) -> int:
        """The id of a new row."""
        made = self.one(
            sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
            ),
            *columns.values(),
        )
        return int(made)

    def user(self, **columns: Any) -> int:
        """A user of the site."""
        return self.insert("User", **{"browsingLevel": 31, "showNsfw": True, **columns})

    def image(self, user: int, level: int = 1, **columns: Any) -> int:
        """An image that has passed moderation, unless its columns say otherwise."""
        given = {"userId": user, "url": "picture", "nsfwLevel": level, "ingestion": "Scanned", "updatedAt": NOW}
        return self.insert("Image", **given | columns)

    def contest(self, entries: int = 4, level: int = 31, status: str = "Active", **columns: Any) -> "Contest":
        """A crucible with entries, each of a user of its own; Redis does not know it yet."""
        owner = self.user()
        given = {"userId": owner, "name": "contest", "nsfwLevel": level, "status": status, "updatedAt": NOW}
        made = Contest(self.insert("Crucible", **given | columns))
        for _ in range(entries):
            self.entry(made)
        return made

    def change(self, contest: "Contest", **row: Any) -> None:
        """Have Redis show the crucible's row otherwise, as the change stream would: ``status``; ``end`` in ms."""
        at = f"{{crucible:{contest.id}:elo}}:state"
        with redis.Redis.from_url(str(self.stack.endpoints.redis_url)) as client:
            shown = json.loads(client.hget(at, "row") or b"{}")  # type: ignore[arg-type]
            client.hset(at, mapping={**row, "row": json.dumps(shown | row)})

    def entry(self, contest: "Contest", level: int = 1, user: int | None = None, **image: Any) -> int:
        owner = self.user() if user is None else user
        picture = self.image(owner, level, **image)
        entry = self.insert("CrucibleEntry", crucibleId=contest.id, userId=owner, imageId=picture)
        contest.entries.append(entry)
        contest.owners.append(owner)
        contest.images.append(picture)
        return entry

    def api(self, **environ: str) -> "Api":
        """The API, started and ready."""
        running = Api({**self.environ, **environ}, self.folder, anew=self._anew)
        self.started.append(running)
        return running


class Contest:
    """A crucible and what takes part."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.entries: list[int] = []
        self.owners: list[int] = []
        self.images: list[int] = []

    @property
    def path(self) -> str:
        return f"/v1/crucibles/{self.id}"


class Api:
    """The API as a process, and a client of it."""

    def __init__(
        self, environ: Mapping[str, str], folder: Path, role: str = "api", *, ready: bool = True, anew: bool = False
    ) -> None:
        self.daemon = Daemon(environ, folder, ("watcher", "run", "--role", role), anew=anew)
        try:
            self.port = int(self.daemon.await_event("api.listening")["port"])
            self.ops = int(self.daemon.await_event("probes.listening")["port"])
            if ready:
                await_that(self.ready, "the API is ready", 30, self.daemon.last_words)
        except BaseException:
            self.daemon.kill()
            raise
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS, trust_env=False)

    def ready(self) -> bool:
        return http_status(self.ops, "/readyz", patience=5) == 200

    def close(self) -> int:
        """End it as an operator does; its exit code."""
        self.client.close()
        return self.daemon.terminate()

    def kill(self) -> None:
        """End it, whatever the test came to."""
        self.client.close()
        if self.daemon.is_alive():
            self.daemon.kill()

    def get(self, path: str, user: int = 1, headers: Mapping[str, str] | None = None, **params: Any) -> httpx.Response:
        """Ask, and ask again while a crucible is being brought back."""
        given = {**bearer(user), **(headers or {})}
        return self._patiently(lambda: self.client.get(path, headers=given, params=params))

    def pair(self, contest: Contest, user: int, **params: Any) -> dict[str, Any]:
        answer = self.get(f"{contest.path}/pair", user, **params)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def vote(self, contest: Contest, user: int, pair: Mapping[str, Any], winner: str = "left") -> httpx.Response:
        """Vote on a pair that was served."""
        loser = "right" if winner == "left" else "left"
        body = {"winner": pair[winner]["entryId"], "loser": pair[loser]["entryId"], "token": pair["token"]}
        return self._patiently(lambda: self.post(contest, user, body))

    def post(self, contest: Contest, user: int, body: Any, **headers: str) -> httpx.Response:
        return self.client.post(f"{contest.path}/votes", json=body, headers={**bearer(user), **headers})

    def _patiently(self, call: Any) -> httpx.Response:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer: httpx.Response = call()
            if answer.status_code != 503 or time.monotonic() > until:
                return answer
            time.sleep(0.1)  # between two looks at a condition, as a client that comes back
