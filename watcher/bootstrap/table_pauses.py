"""Tables paused by a person, with the settings' clients."""

import getpass
import socket
from datetime import UTC, datetime

from config import Settings
from handlers import REGISTRY
from watcher.admin.table_pauses import TableStream, check_table, streams, warning
from watcher.bootstrap.clients import site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.kafka.admin import KafkaAdmin
from watcher.model.table_pause import TablePause
from watcher.postgres.own import table_pause
from watcher.postgres.session import Session


def who() -> str:
    """Return who runs this process, for a note of what was done."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def table_streams(settings: Settings) -> list[TableStream]:
    """Return the tables that can be paused, and whether they are."""
    with site_session(settings) as session:
        return _streams(settings, session)


def pause_table(settings: Settings, table: str, reason: str) -> tuple[bool, TableStream]:
    """Have a table's changes wait in their topic.

    Returns:
        Whether that was to be done, and how the table is now.

    Raises:
        NoSuchTableError: there is none of that name, or its topic is not known.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        _checked(settings, session, table)
        did = table_pause.pause(session, settings.kafka.group, table, who(), reason)
        return did, _checked(settings, session, table)


def resume_table(settings: Settings, table: str) -> tuple[TablePause | None, TableStream]:
    """Have a table's changes read again.

    Returns:
        How it was paused, None if it was not, and how the table is now.

    Raises:
        NoSuchTableError: there is none of that name.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        _checked(settings, session, table)
        was = table_pause.resume(session, settings.kafka.group, table)
        return was, _checked(settings, session, table)


def what_to_mind(settings: Settings, stream: TableStream) -> str:
    """Return what to mind while a table is paused, for a person."""
    return warning(KafkaAdmin(kafka_client(settings.kafka)), stream, datetime.now(UTC))


def _streams(settings: Settings, session: Session) -> list[TableStream]:
    names = [table.name for table in REGISTRY]
    return streams(names, settings.kafka.topics, table_pause.paused(session, settings.kafka.group))


def _checked(settings: Settings, session: Session, table: str) -> TableStream:
    expressions = any(topic.startswith("^") for topic in settings.kafka.topics)
    return check_table(table, _streams(settings, session), reads_expressions=expressions)
