"""A PostgreSQL that answers nothing any more is given up in time, and one that merely takes long is not."""

import os
import signal
import socket
import threading
import time
from functools import partial

import psycopg
import pytest

from watcher.model.errors import TemporaryError
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import marker
from watcher.postgres.session import open_session


def _what_becomes_of(action):
    """Its outcome and how long it took; from another thread, so that a test does not hang with it."""
    outcome = []

    def act():
        try:
            outcome.append(action())
        except TemporaryError as error:
            outcome.append(error)

    began = time.monotonic()
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(15.0)
    return (outcome or ["still waiting"])[0], time.monotonic() - began


@pytest.fixture
def freeze():
    """Has the server's process of a session stand still until the end."""
    stopped = []

    def freeze(session):
        ((pid,),) = session.run("SELECT pg_backend_pid()")
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    yield freeze
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def test_a_server_that_falls_silent_is_given_up(dsn, schema, freeze):
    """Frozen, it keeps no time limit of its own; the next connection is served by another process."""

    def ask_twice():
        with open_session(dsn, schema, timeout=1.0) as session:
            freeze(session)
            with pytest.raises(TemporaryError, match="postgres is away: no answer within 2 s"):
                session.run("SELECT 1")
            session.run("SELECT 2")

    outcome, seconds = _what_becomes_of(ask_twice)

    assert isinstance(outcome, TemporaryError), outcome
    assert "the connection is closed" in str(outcome)  # else the first question's answer would be the second's
    assert 1.5 < seconds < 30
    with open_session(dsn, schema, timeout=1.0) as another:
        assert another.run("SELECT 1") == [(1,)]


def test_a_server_that_falls_silent_before_a_commit_is_given_up(dsn, session, schema, freeze):
    """What ends a block of statements waits no longer than they do."""

    def do_together():
        with open_session(dsn, schema, timeout=1.0) as silent, silent.together():
            marker.remember(silent, "g", "t", 0, "id")
            freeze(silent)

    outcome, seconds = _what_becomes_of(do_together)

    assert isinstance(outcome, TemporaryError), outcome
    assert "no answer within 2 s" in str(outcome)
    assert 1.5 < seconds < 30
    assert marker.load(session, "g") == {}  # so far: it may yet wake up and read on


def test_what_the_server_gives_up_itself_keeps_the_connection(dsn, schema):
    """The control: its limit comes first, and what takes long without reaching it is waited for."""
    with open_session(dsn, schema, timeout=2.0) as session:
        assert session.run("SELECT 1 FROM pg_sleep(1)") == [(1,)]
        with pytest.raises(TemporaryError, match="statement timeout"):
            session.run("SELECT pg_sleep(60)")
        assert session.run("SELECT 1") == [(1,)]


def test_a_host_that_is_lost_is_noticed_though_nobody_asks(dsn, schema):
    """The kernel probes it; by itself it begins after two hours, and routers forget a connection sooner."""
    with (
        open_session(dsn, schema, timeout=1.0) as session,
        socket.socket(fileno=os.dup(session._connection.fileno())) as tcp,
    ):
        names = "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"
        found = [tcp.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]

    assert found == [2, 2, 3, 6_000]


def test_a_connection_that_was_ended_meanwhile_is_made_anew(dsn, schema, postgres):
    """Nobody meets its end: the server was started anew, or a pooler has ended what was idle for long."""
    kept = KeptSession(partial(open_session, dsn, schema))
    with kept.kept() as session:
        ended = session.backend
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", [ended])
    with kept.kept() as session:
        session.ping()
        made = session.backend
    kept.drop()

    assert made != ended
