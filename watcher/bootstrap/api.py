"""The api role, put together: an event loop of its own, in the main thread or beside the watch role."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, LiteralString, TypeVar

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from config import PostgresSettings, Settings, listed, require_role
from watcher.api.app import Parts, application
from watcher.api.http.connections import Connections
from watcher.api.http.descriptors import room_for
from watcher.api.http.rate_limit import RateLimit
from watcher.api.http.server import BACKLOG_CONNECTIONS, ApiServer
from watcher.api.http.static_files import ArenaFiles
from watcher.api.identity.auth import Authenticator
from watcher.api.identity.followers import Followers
from watcher.api.identity.jwks import KeySet
from watcher.api.identity.users import Users
from watcher.api.voting.boards import MAX_STREAMS
from watcher.api.voting.disclosure import Disclosure
from watcher.api.voting.next_pair import Pairs
from watcher.bootstrap.api_services import compose_services
from watcher.bootstrap.clients import connect_clickhouse
from watcher.bootstrap.drain_process import DrainProcess
from watcher.bootstrap.neighbours import look_at_neighbours
from watcher.bootstrap.process import running
from watcher.bootstrap.verification import compose_verification
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.errors import TemporaryError
from watcher.postgres.faults import SplitTransactionsError
from watcher.postgres.pool import SitePool
from watcher.postgres.pooling import is_pooled
from watcher.postgres.session import open_session
from watcher.postgres.site.readable import REST, VOTING
from watcher.postgres.site.users import SiteUsers
from watcher.recovery.verification_queue import VerificationQueue
from watcher.recovery.verifier import Verifier
from watcher.redis.limit import LIMIT
from watcher.redis.link import Link
from watcher.redis.open_pairs import SKIP
from watcher.redis.refusals import Refusals
from watcher.redis.rehearsal import require_all_taken
from watcher.redis.scripts import VOTE
from watcher.runtime.garbage_collector import calm_the_collector
from watcher.runtime.shutdown import Shutdown
from watcher.telemetry.health import Health, Ping
from watcher.telemetry.http import OtherMetrics
from watcher.telemetry.listening import listen
from watcher.telemetry.metrics import Metrics
from watcher.votes.report import VoteReport

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 0.5
"""Seconds between two turns of the loop that liveness hears of. Longer: a loop that stands still is noticed later."""
UNREAD_BYTES: Final = 16_384
"""Bytes that the kernel keeps of what a client sends and nobody reads, of which Linux makes twice as many. A request
has fewer. Larger: who sends by the thousand what is not read yet takes more memory."""
Answer = TypeVar("Answer")
LOOK_SECONDS: Final = 2.0
"""How long a start waits for PostgreSQL, to see what stands before it. Longer: without it votes are taken later."""
READY_SECONDS: Final = 5.0
"""How long readiness waits for PostgreSQL, and for Redis."""
OTHER_HEAD_BYTES: Final = 8_192
"""Bytes of a request's address and headers besides the token: the site's cookies, and what proxies add."""
READ_SECONDS: Final = 5.0
"""How long a question about the past may take in ClickHouse, if clickhouse.timeout, which is for inserts, allows more:
its threads are few, and each that waits for a silent server is one less for the questions after."""


def api(settings: Settings) -> None:
    """Run the api role until SIGTERM or SIGINT.

    Raises:
        ConfigError: authentication is not configured.
        SplitTransactionsError: a pooler takes PostgreSQL's transactions apart.
        StopError: the port is taken.
    """
    require_role(settings)
    metrics = Metrics(CollectorRegistry())
    report = VoteReport(metrics.votes)
    with running(settings, metrics) as (health, shutdown):
        _require_transactions(settings.postgres)
        verification = compose_verification(settings, report)
        shutdown.on_end(verification.close)
        role = ApiRole(settings, metrics, health, shutdown, verification.verifier)
        shutdown.run(DrainProcess(report, shutdown.fail), until_finished=True)  # judges vote until the last request
        look_at_neighbours(health, metrics, shutdown)
        role.run()


def _require_transactions(at: PostgresSettings) -> None:
    """See that no pooler takes transactions apart, if PostgreSQL answers; votes do not wait for it.

    Raises:
        SplitTransactionsError: one does, and crucibles could never be compared.
    """
    try:
        with open_session(at.dsn.get_secret_value(), at.watcher_schema, min(at.timeout, LOOK_SECONDS)) as session:
            is_pooled(session)
    except SplitTransactionsError:
        raise
    except TemporaryError:
        return  # readiness tells of it


class ApiRole:
    """The vote API: a socket that listens from the beginning, and an event loop that serves what comes to it.

    Args:
        settings: of the process.
        metrics: of the process.
        health: of the process.
        shutdown: of the process; when it begins, no request is taken any more.
        verifier: compares the crucibles that the API misses.
        alone: the role is all of the process; else another one's loop is the process' own.

    Raises:
        StopError: the port is taken.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        health: Health,
        shutdown: Shutdown,
        verifier: Verifier,
        *,
        alone: bool = True,
    ) -> None:
        self._settings, self._metrics, self._health, self._verifier = settings, metrics, health, verifier
        self._shutdown, self._alone = shutdown, alone
        self._refusals = Refusals(metrics.api.redis_refusals)
        self._room = room_for(settings.api.connections)
        self._socket = _listen(settings.api.host, settings.api.port)
        self._server: ApiServer | None = None
        shutdown.on_end(self._socket.close)
        shutdown.on_begin(self._stop)

    def run(self) -> None:
        """Serve until the process is to end, then finish what is under way."""
        uvloop.run(self._run())

    def _stop(self) -> None:
        """Begin to stop; may be called in a signal handler or any thread."""
        self._health.stopping()
        if self._server is not None:
            self._server.stop()

    async def _run(self) -> None:
        settings, api = self._settings, self._settings.api
        postgres = settings.postgres
        votes_link = self._link("votes", [VOTE.text, LIMIT.text])
        reads_link = self._link("reads", [LIMIT.text, SKIP.text, *Pairs.SCRIPTS, *Disclosure.SCRIPTS])
        keys = KeySet(api.jwks, postgres.timeout) if api.jwks else None
        pool = SitePool(postgres.dsn.get_secret_value(), api.postgres_connections, postgres.timeout)
        async with pool:
            loop = asyncio.get_running_loop()
            self._check("redis", partial(_ping_links, loop, votes_link, reads_link))
            self._check("postgres", partial(_read_postgres, loop, pool, VOTING))
            self._check("postgres.comments", partial(_read_postgres, loop, pool, REST), critical=False)
            if keys is not None:
                self._check("keys", keys.ping, critical=not api.hs256_secrets)  # tokens of the other kind go on
            verifications = VerificationQueue(self._verifier.verify)
            reads = ClickHouseReads(partial(connect_clickhouse, settings, READ_SECONDS), queries())
            self._check("clickhouse", reads.ping, critical=False)
            auth = Authenticator(
                issuer=api.issuer or "",
                audience=api.audience or "",
                secrets=listed(api.hs256_secrets),
                rsa_keys=keys.of if keys else None,
                leeway=api.leeway,
                max_bytes=api.token_limit,
            )
            users = Users(SiteUsers(pool.fetch).users)
            followers = Followers(auth, users)
            services = compose_services(
                api,
                votes_link=votes_link,
                on_refused=self._refusals.note,
                reads_link=reads_link,
                pool=pool,
                followers=followers,
                watcher_schema=postgres.watcher_schema,
                clickhouse=reads,
                on_unverified=verifications.put,
                metrics=self._metrics.api,
                most_streams=min(MAX_STREAMS, self._room // 4),
            )
            parts = Parts(
                services=services,
                auth=auth,
                users=users,
                reads_limit=RateLimit("reads", api.reads_per_minute, reads_link),
                arena=ArenaFiles(api.image_url),
                metrics=self._metrics.api,
                cors_origins=api.cors_origins,
                cors_headers=api.cors_headers,
            )
            work = [
                votes_link.run(),
                reads_link.run(),
                self._tick(votes_link, reads_link),
                followers.run(),
                *([keys.run(partial(_distrust, auth, followers))] if keys else []),
            ]
            try:
                await self._serve(parts, work, services.boards.stop)
            finally:
                verifications.close()
                services.history.close()

    async def _serve(self, parts: Parts, work: Sequence[Any], stopping: Callable[[], None]) -> None:
        """Serve, with the tasks beside it; when one of them ends, all do."""
        beside = [asyncio.ensure_future(one) for one in work]
        self._server = server = ApiServer(
            application(parts),
            self._socket,
            seconds_left=self._shutdown.remaining,
            stopping=stopping,
            connections=Connections(self._room, self._settings.api.connections_per_address),
            max_head_bytes=self._settings.api.token_limit + OTHER_HEAD_BYTES,
            refused=OtherMetrics(self._metrics.api).refused,
        )
        if self._shutdown.begun:
            server.stop()
        if self._alone:
            self._health.started()
        calm_the_collector()
        serving = asyncio.ensure_future(server.serve())
        try:
            done, _ = await asyncio.wait([serving, *beside], return_when=asyncio.FIRST_COMPLETED)
            server.stop()
            await serving
            for one in done:
                one.result()
        finally:
            for one in beside:
                one.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        log.info("api.stopped")

    async def _tick(self, *links: Link) -> None:
        """Tell liveness that the loop turns, and metrics whether its connections to Redis hold."""
        while True:
            self._health.turned("loop" if self._alone else "api")
            for link in links:
                self._metrics.api.redis_link_up.labels(link.name).set(1 if link.identity else 0)
            await asyncio.sleep(TICK_SECONDS)

    def _check(self, name: str, ping: Ping, *, critical: bool = True) -> None:
        """Have readiness look at a neighbour; beside another role under a name that says whose it is."""
        self._health.check(name if self._alone else f"api.{name}", ping, critical=critical)

    def _link(self, name: str, scripts: Sequence[str]) -> Link:
        redis = self._settings.redis
        return Link(redis.url.get_secret_value(), redis.timeout, scripts, name, on_error=self._refusals.note)


def _listen(host: str, port: int) -> socket.socket:
    """Return the socket, which is made before anything else: a port that is taken is told at once.

    Raises:
        StopError: it is taken, or not ours to take.
    """
    listening = listen(host, port, "api.host, api.port", BACKLOG_CONNECTIONS)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)  # each connection's own
    listening.setblocking(False)
    log.info("api.listening", host=host, port=listening.getsockname()[1])
    return listening


def _distrust(auth: Authenticator, followers: Followers) -> None:
    """Verify every token anew, of open streams too: the keys are others."""
    auth.forget()
    followers.look_soon()


def _ping_links(loop: asyncio.AbstractEventLoop, *links: Link) -> None:
    away = [link.name for link in links if not link.identity]
    if away:
        raise TemporaryError(f"no connection for {' and '.join(away)}")
    require_all_taken(_answer(loop, links[0].rehearse()))


def _read_postgres(loop: asyncio.AbstractEventLoop, pool: SitePool, query: LiteralString) -> None:
    _answer(loop, pool.fetch(query))


def _answer(loop: asyncio.AbstractEventLoop, asked: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what the loop is answered; the caller has a thread of its own.

    Raises:
        TemporaryError: nothing comes in time.
    """
    try:
        return asyncio.run_coroutine_threadsafe(asked, loop).result(READY_SECONDS)
    except TimeoutError as error:
        raise TemporaryError(f"no answer within {READY_SECONDS:g} s") from error
