"""Rows by the million, to and from PostgreSQL by its ``COPY``, within the transaction of a session."""

from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

from watcher.postgres.session import Session
from watcher.postgres.statement import values


def copy_out(session: Session, query: LiteralString, *parameters: object) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a ``COPY ... TO STDOUT`` as they come, without holding them; values are text, None for NULL.

    Args:
        session: within :meth:`~watcher.postgres.session.Session.together`.
        query: the statement.
        parameters: its values, as those of :meth:`~watcher.postgres.session.Session.run`.

    Raises:
        RuntimeError: called outside of a transaction, where it would have no limit.
        TemporaryError: PostgreSQL is away, or took longer than a statement may.
    """
    with session.sent_alone(query) as (cursor, text), cursor.copy(text, values(parameters)) as copied:
        yield from copied.rows()


def copy_in(session: Session, query: LiteralString, blocks: Iterable[str]) -> None:
    r"""Send lines of text to a ``COPY ... FROM STDIN``; their columns are divided by ``\t``.

    Args:
        session: within :meth:`~watcher.postgres.session.Session.together`.
        query: the statement.
        blocks: any number of whole lines each.

    Raises:
        RuntimeError: called outside of a transaction, where it would have no limit.
        TemporaryError: PostgreSQL is away, or took longer than a statement may.
    """
    with session.sent_alone(query) as (cursor, text), cursor.copy(text) as copying:
        for block in blocks:
            copying.write(block)
