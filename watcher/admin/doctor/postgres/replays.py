"""Finds replays of dead letters that were decided and never written: each holds up the repairs of its table."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, warn
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.own import replay
from watcher.postgres.session import Session


def replays(session: Session) -> Iterator[Finding]:
    """Find replays that were killed; one that is under way is one for some seconds. Nothing before there is a table."""
    if session.read(STATEMENTS["table_exists"], f"{session.schema}.replay") == [(False,)]:
        return
    for table in replay.open_tables(session):
        yield warn(
            f"postgres.replay.{table}",
            "a replay of dead letters has decided what to count, and has not written it yet",
            f"if nobody is at it: `crucible dlq replay --table {table}` carries it out",
        )
