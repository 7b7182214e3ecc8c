"""Statements of one transaction: done together or not at all, and those that nobody waits for go with the next one."""

from contextlib import suppress

import psycopg
import pytest

from watcher.model.errors import TemporaryError
from watcher.postgres.faults import ViolationError
from watcher.postgres.own import marker


def test_what_is_done_together_is_undone_together(session):
    """A fault between two statements leaves neither."""

    def half_done():
        with session.together():
            marker.remember(session, "g", "t", 0, "id")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()

    assert marker.load(session, "g") == {}


def test_what_nobody_waits_for_costs_no_request_of_its_own(session, monkeypatch):
    """It goes out with the next statement, which sees it, or with the commit; a beginning goes with the first."""
    requests: list[str] = []
    execute = psycopg.ClientCursor.execute

    def counted(cursor, query, *rest, **more):
        requests.append(query)
        return execute(cursor, query, *rest, **more)

    monkeypatch.setattr(psycopg.ClientCursor, "execute", counted)
    with session.together():
        session.later("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s) -- the first", "g", "t", 0, "a 100 %")
        session.later("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)", "g", "t", 1, "b")
        seen = session.run("SELECT count(*) FROM {schema}.marker")
        session.later("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)", "g", "t", 2, "c")
    with session.together():
        pass

    assert (seen, len(requests)) == ([(2,)], 2)
    assert sorted(marker.load(session, "g").values()) == ["a 100 %", "b", "c"]


def test_what_waits_is_undone_and_refused_with_the_rest(session):
    """Whether the fault is another's, in a part of it, or its own; and outside of a block nothing waits."""
    insert = "INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)"

    def in_a_part():
        with session.together():
            session.later(insert, "g", "t", 1, "undone")
            raise ZeroDivisionError

    def twice():
        with session.together():
            session.later(insert, "g", "t", 4, "undone")
            session.later(insert, "g", "t", 0, "is there")

    def passed_over():
        with session.together():
            session.later(insert, "g", "t", 5, "undone")
            with suppress(ViolationError):
                session.run(insert, "g", "t", 0, "is there")

    session.later(insert, "g", "t", 0, "alone")
    with session.together():
        with pytest.raises(ZeroDivisionError):
            in_a_part()
        session.later(insert, "g", "t", 2, "kept")
    with pytest.raises(ZeroDivisionError):
        in_a_part()
    with pytest.raises(ViolationError, match="marker"):
        twice()
    with pytest.raises(TemporaryError, match="a statement had failed"):
        passed_over()

    assert sorted(marker.load(session, "g").values()) == ["alone", "kept"]
