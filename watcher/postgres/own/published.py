"""Which watched tables are published beside the beat, and whether they still are as they were."""

from collections.abc import Collection, Mapping
from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "published.sql")


def published(session: Session, tables: Collection[str]) -> dict[str, str | None]:
    """Return as what each of these tables is published, None for one that is not.

    Nothing is returned of tables that do not exist; and of none while no publication has the beat, for then the beats
    tell by not coming.

    Args:
        session: to ask.
        tables: names with their schemas, like ``public.Crucible``; those that are returned are without.
    """
    return dict(session.read(_STATEMENTS["published"], session.schema, list(tables)))


def changed(session: Session, now: Mapping[str, str | None]) -> tuple[str, ...]:
    """Remember as what tables are published; return those that were published as something else before.

    Between the two, changes may have been published by nobody.
    """
    before = dict(session.read(_STATEMENTS["remembered"]))
    other = {table: print_ for table, print_ in now.items() if print_ is not None and before.get(table) != print_}
    for table, print_ in other.items():
        session.run(_STATEMENTS["remember"], table, print_)
    return tuple(sorted(other.keys() & before.keys()))
