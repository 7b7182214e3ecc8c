"""The task that looks after the connectors, put together."""

import os
import socket
from functools import partial
from typing import Final

from config import Settings
from watcher.admin.connector.keep_running import KeepRunning
from watcher.admin.connector.rest import Connect
from watcher.bootstrap.clients import site_session
from watcher.bootstrap.table_pauses import who
from watcher.postgres.own import connector, event_slot
from watcher.postgres.own.connector import Rest
from watcher.telemetry.metrics import Metrics

PATIENCE_SECONDS: Final = 5.0
"""Seconds that a worker which does not answer is waited for, whatever ``connect.timeout`` says. Longer: the process'
end may have to wait."""


def keep_connectors_running(settings: Settings, metrics: Metrics) -> KeepRunning:
    """Return the task that starts failed tasks once more; it connects when it takes its turns."""
    connect = Connect(settings.connect.url, min(settings.connect.timeout, PATIENCE_SECONDS))
    owner = f"{socket.gethostname()}:{os.getpid()}"
    return KeepRunning(connect, settings.connect.connectors, partial(site_session, settings), metrics.connector, owner)


def note_rest(settings: Settings, name: str) -> None:
    """Note that whoever runs this process has put a connector to rest.

    Raises:
        PostgresRefusedError: the role may not write to the watcher's schema.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        connector.note_rest(session, name, who())


def rest_of(settings: Settings, name: str) -> Rest | None:
    """Return since when, and by whom, a connector is at rest, as far as anybody has noted it.

    Raises:
        PostgresRefusedError: the role may not read the watcher's schema.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        return connector.rest_of(session, name)


def forget_event_slot(settings: Settings, slot: str) -> None:
    """Note that the connector of a slot is to begin anew, or is wanted no more.

    Raises:
        PostgresRefusedError: the role may not write to the watcher's schema.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        event_slot.forget(session, slot)
