"""The backfill of one table whose rows the connector reads, put together for the command line."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final

from config import Settings
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.rest import Connect
from watcher.admin.connector.signalled import TOPIC, signalling_fault
from watcher.admin.connector.standstill import failure, standstill
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.signals import signals as signal_findings
from watcher.bootstrap.backfilling import BackfillBusyError, alone_at, begun, count, stream_of
from watcher.bootstrap.clients import registry_auth, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling import made_by
from watcher.decode.avro import AvroReader
from watcher.decode.notification import read_notification
from watcher.decode.registry import RegistryClient
from watcher.kafka.topic_tail import TopicTail
from watcher.model.errors import StopError, TemporaryError
from watcher.model.notification import Notification
from watcher.model.registry import Table
from watcher.postgres import signals
from watcher.postgres.own import backfill_run
from watcher.postgres.own.backfill_run import BackfillRun
from watcher.postgres.session import Session
from watcher.reconcile.backfill.by_connector import SignalledConnector, bring_once
from watcher.reconcile.backfill.counting import BackfillListener, OngoingBackfill, finish
from watcher.reconcile.repairs.stream import refuse_paused

CONNECTOR: Final = "connector"
"""What a run is called whose rows the connector brings."""
SKEW: Final = timedelta(minutes=10)
"""The time by which the clocks of PostgreSQL and Kafka Connect may differ by: what the connector says is read so much
earlier."""


LOOK_TIMEOUT_SECONDS: Final = 5.0
"""Seconds that a worker of Kafka Connect has to say how the connector is. More: Ctrl-C waits for as long."""


class NoSignalsError(StopError):
    """Raised when the connector cannot be asked by a signal; the message says why, and what to do."""


def backfill_by_connector(
    settings: Settings,
    table: Table[Any],
    connector: ConnectorFile,
    *,
    anew: bool,
    stops: Callable[[], bool],
    heard: BackfillListener,
    told: Callable[[str], None],
) -> tuple[BackfillRun, bool]:
    """Have the connector send a table's rows to Redis by the stream, and put right what was counted of them.

    Args:
        settings: where the neighbours are.
        table: which.
        connector: the one that streams.
        anew: begin at the first row, wherever an earlier run stands.
        stops: whether this process was asked to end.
        heard: told how far the counting is.
        told: told how far the connector is, and what is waited for.

    Returns:
        The run as it ended, and whether it went on with an earlier one.

    Raises:
        BackfillBusyError: another process is at it.
        BackfillPausedError: it was to pause.
        NoSignalsError: the connector cannot be asked, is at rest, has failed, or is not there; nothing is begun then.
        NotBroughtError: the connector does not send the rows.
        OtherWayError: an earlier run is not over, and compares rows.
        StreamStandsError: the connector says nothing or was put to rest meanwhile, or the stream does not go on.
        TemporaryError: a neighbour is away; run it again.
    """
    with alone_at(settings, table.name) as held, site_session(settings) as session:
        topic = _notification_topic(settings, session, connector, told)
        if fault := _look(settings, session, connector.name, told):
            raise NoSignalsError(fault)
        ongoing, resumed = begun(settings, session, table, CONNECTOR, anew=anew, held=held, stops=stops, heard=heard)
        stream = stream_of(settings, session, connector.config.get("slot.name", "debezium"), ongoing, told)
        bring_once(
            ongoing,
            session,
            SignalledConnector(session, ongoing.run, table.qualified),
            partial(_said, settings, topic, ongoing),
            table,
            await_read=stream.await_read,
            look=partial(_look, settings, session, connector.name, told, begun=True),
            told=told,
        )
        if table.counts:
            count(settings, session, table, ongoing, stream)
        finish(session, ongoing.run, table.name, made_by())
        return ongoing.run, resumed


def pause_backfill(settings: Settings, table: Table[Any]) -> bool:
    """Have a run of a table pause, whichever way it goes; return whether there was one to pause.

    One that the connector goes on with, though nobody watches it, pauses as well.

    Raises:
        PostgresRefusedError: the right to signal is missing.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        try:
            with alone_at(settings, table.name):
                run = backfill_run.open_run(session, table.name)
                if run is None or run.way != CONNECTOR or run.brought_at is not None or run.state == "paused":
                    return False
                signals.pause_snapshot(session, str(uuid.uuid4()))
                backfill_run.pause(session, run)
                return True
        except BackfillBusyError:
            return backfill_run.ask_pause(session, table.name)


def stop_backfill(settings: Settings, table: Table[Any]) -> bool:
    """End a run of a table for good, whichever way it goes; return whether there was one. What is done stays.

    Raises:
        PostgresRefusedError: the right to signal is missing.
        TemporaryError: PostgreSQL is away.
    """
    with site_session(settings) as session:
        run = backfill_run.open_run(session, table.name)
        if run is None:
            return False
        if run.way == CONNECTOR and run.brought_at is None:
            signals.stop_snapshot(session, str(uuid.uuid4()), table.qualified)
        backfill_run.give_up(session, table.name)
        return True


def _look(settings: Settings, session: Session, name: str, told: Callable[[str], None], *, begun: bool = False) -> str:
    """Return why what the connector sends would be waited for in vain; empty: nothing is known to keep it.

    One that has failed while it sends is only told: watchers start it once more, and then it goes on by itself.

    Raises:
        StreamStandsError: a person has a table's changes wait.
    """
    refuse_paused(session, settings.kafka.group)
    try:
        status = Connect(settings.connect.url, min(settings.connect.timeout, LOOK_TIMEOUT_SECONDS)).status(name)
    except TemporaryError as error:
        told(f"{error}; whether the connector runs is not known")
        return ""
    if begun and (failed := failure(name, status)):
        told(failed)
        return ""
    return standstill(name, status) or failure(name, status)


@contextmanager
def _said(settings: Settings, topic: str, ongoing: OngoingBackfill) -> Iterator[Callable[[], list[Notification]]]:
    """Yield what returns the connector's words since the last call, from the beginning of the run on."""
    at = settings.registry
    avro = AvroReader(RegistryClient(at.url, registry_auth(settings), at.timeout)) if at.url else None
    with closing(TopicTail(kafka_client(settings.kafka), topic, ongoing.run.began_at - SKEW)) as tail:
        yield lambda: [one for value in tail() if (one := read_notification(value, avro)) is not None]


def _notification_topic(
    settings: Settings, session: Session, connector: ConnectorFile, told: Callable[[str], None]
) -> str:
    """Return where the connector says what it does, if it can be asked at all.

    Raises:
        NoSignalsError: it cannot.
    """
    names = SourceNames((), "", connector.config.get("publication.name", "dbz_publication"))
    for finding in signal_findings(session, names):
        if finding.level is not Level.OK:
            raise NoSignalsError(f"{finding.found}: {finding.advice}; then run this again")
    config = connector.config
    try:
        running = Connect(settings.connect.url, settings.connect.timeout).config(connector.name)
    except TemporaryError as error:
        told(f"{error}; what the connector hears is taken from its file")
    else:
        if running is None:
            raise NoSignalsError(
                f"there is no connector {connector.name}: run `crucible connector apply`, then this again"
            )
        config = running
    if fault := signalling_fault(config):
        raise NoSignalsError(
            f"connector {connector.name}: {fault}; take it from the shipped file, `crucible connector apply`, then run "
            "this again"
        )
    return config[TOPIC]
