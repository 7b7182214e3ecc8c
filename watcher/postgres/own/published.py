"""Which watched tables are published beside the beat, and whether they still are as they were."""

from collections.abc import Collection, Mapping
from importlib.resources import files
from typing import Final

from watcher.model.extent import Extent, lsn_text
from watcher.model.need_reason import NeedReason
from watcher.postgres.own import beat, reconcile_needed
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "published.sql")


def published(session: Session, tables: Collection[str]) -> dict[str, str | None]:
    """Return how each of some tables is published, None for one that is not.

    Nothing is returned of tables that do not exist; and of none while no publication has the beat, for then the beats
    tell by not coming.

    Args:
        session: to ask.
        tables: names with their schemas, like ``public.Crucible``; those that are returned are without.
    """
    return dict(session.read(_STATEMENTS["published"], session.schema, list(tables)))


def changed(session: Session, now: Mapping[str, str | None]) -> tuple[str, ...]:
    """Note how tables are published; return those that were published otherwise before.

    Between the two, changes may have been published by nobody.
    """
    before = dict(session.read(_STATEMENTS["remembered"]))
    other = {table: print_ for table, print_ in now.items() if print_ is not None and before.get(table) != print_}
    for table, print_ in other.items():
        session.run(_STATEMENTS["remember"], table, print_)
    return tuple(sorted(other.keys() & before.keys()))


def note_gaps(session: Session, tables: Collection[str]) -> tuple[str, ...]:
    """Note of which tables changes may have been published by nobody until now, as a watcher's next look would.

    What is noted before a comparison begins is met by it; a look that came later would have the table compared again.

    Args:
        session: the role must be the watcher's.
        tables: names with their schemas.

    Returns:
        The tables, without their schemas.
    """
    with session.together():
        now = published(session, tables)
        absent = tuple(table for table, print_ in now.items() if print_ is None)
        gaps = (*absent, *changed(session, now))
        place = f"LSN {lsn_text(beat.end_of_log(session))}"
        for table in gaps:
            reconcile_needed.note(session, table, NeedReason.CUT_OFF, Extent(place, place))
    return gaps
