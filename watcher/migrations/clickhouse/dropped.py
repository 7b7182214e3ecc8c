"""Tables and views that ClickHouse's migrations made, and that somebody has dropped since.

A migration is recorded once and never applied again, so they stay away. They are made anew by the steps about them, of
all migrations that were applied. A table is empty then; a view and its table are filled from what their source has, and
what the source has let go of meanwhile stays where the view's table still has it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.buffer import make_buffer
from watcher.migrations.clickhouse.rebuild_view import rebuild_view
from watcher.migrations.clickhouse.record import MigrationRecord
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.stamp import add_stamp
from watcher.migrations.clickhouse.steps import BufferTable, MigrationStep, RepeatableSql, Stamp, View, read_steps
from watcher.migrations.clickhouse.views import LONG_BEFORE_MS, create_view, make_view
from watcher.migrations.ledger import MigrationState

_ABOUT: Final = re.compile(r"(?:--[^\n]*\n)*(?P<makes>CREATE TABLE IF NOT EXISTS|ALTER TABLE) (?P<table>\w+)")
_READER: Final = re.compile(r"CREATE OR REPLACE VIEW (?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class Made:
    """Something that a migration made.

    Args:
        name: of the table or view.
        written: whether inserts of the watcher fail without it.
    """

    name: str
    written: bool


def made_by(step: MigrationStep) -> Iterator[Made]:
    """Yield what one step of a migration makes."""
    match step:
        case RepeatableSql(texts):
            for table, makes, _ in map(_about, texts):
                if makes:
                    yield Made(table, written=True)
        case BufferTable(name):
            yield Made(name, written=False)
        case View():
            yield Made(step.target, written=True)
            yield Made(step.name, written=False)
            yield Made(_reader(step), written=False)
        case Stamp():
            pass
        case _:
            assert_never(step)


def dropped(server: Server) -> list[Made]:
    """Return what applied migrations made and is not there, in the order in which it was made."""
    made = [one for step in _applied_steps(server) for one in made_by(step)]
    there = {name for (name,) in server.ask(queries()["tables_beginning"], beginning="")} if made else set()
    return [one for one in made if one.name not in there]


def make_anew(server: Server) -> list[str]:
    """Make anew what was dropped; return the names. May be run again after it was interrupted.

    Raises:
        MigrationError: a step cannot be done, or the lock was lost.
    """
    gone = {one.name for one in dropped(server)}
    steps, record = _applied_steps(server) if gone else [], MigrationRecord(server)
    for step in steps:
        _make_anew(server, record, step, gone)
    for view in steps:  # what is older than its source's rows is told by other views' tables: they are there by now
        if isinstance(view, View) and (view.target in gone) != (view.name in gone):
            rebuild_view(server, view)
    return sorted(gone)


def _make_anew(server: Server, record: MigrationRecord, step: MigrationStep, gone: set[str]) -> None:
    match step:
        case RepeatableSql(texts):
            for text in texts:
                if _about(text)[0] in gone:
                    server.run(text)
        case Stamp(table):
            if table in gone:
                add_stamp(server, step)
        case BufferTable(name, table):
            if name in gone or table in gone:
                make_buffer(server, step)
        case View():
            _view_anew(server, record, step, gone)
        case _:
            assert_never(step)


def _view_anew(server: Server, record: MigrationRecord, view: View, gone: set[str]) -> None:
    lost_table, lost_view = view.target in gone, view.name in gone
    if lost_table and lost_view:
        make_view(server, record, view)
    elif lost_table or lost_view:
        server.run(view.create_target)
        if lost_view:  # its table keeps what its source has let go of
            create_view(server, view, server.clock()[0] - LONG_BEFORE_MS)
    if _reader(view) in gone:
        server.run(view.create_reader)


def _applied_steps(server: Server) -> list[MigrationStep]:
    standing = migrate.status(server.client, server.deployment)
    applied = {one.version for one in standing if one.state is MigrationState.APPLIED}
    return [step for one in migrate.migrations() if one.version in applied for step in read_steps(one.text)]


def _about(text: str) -> tuple[str, bool, str]:
    """Return which table a statement is about, whether it makes it, and the statement.

    Raises:
        ValueError: it is about none, so nobody could say when to run it again.
    """
    found = _ABOUT.match(text)
    if found is None:
        raise ValueError(f"expected a statement that makes or alters one table, found {text!r}")
    return found["table"], found["makes"].startswith("CREATE"), text


def _reader(view: View) -> str:
    found = _READER.search(view.create_reader)
    if found is None:
        raise ValueError(f"expected CREATE OR REPLACE VIEW to make the reader of {view.target}")
    return found["name"]
