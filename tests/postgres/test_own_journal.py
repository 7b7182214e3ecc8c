"""What the watcher remembers in its own schema: markers of what was read, histories, needs of a comparison."""

import subprocess
import sys

import psycopg
import pytest

from watcher.model.errors import HistoryChangedError
from watcher.model.extent import Extent
from watcher.postgres.own import history, marker, reconcile_needed, repair


def test_markers_belong_to_a_group_and_keep_the_first_topic_id(session):
    """A topic made anew under its name shows as another id than the marker's."""
    marker.remember(session, "g", "t", 0, "id-1")
    marker.remember(session, "g", "t", 0, "id-2")
    marker.remember(session, "g", "u", 1, "id-3")
    marker.remember(session, "other", "t", 0, "id-2")

    assert marker.load(session, "g") == {("t", 0): "id-1", ("u", 1): "id-3"}


def test_forgetting_one_topic_leaves_the_others(session):
    """And forgetting all leaves the other groups."""
    for topic in ("t", "u"):
        marker.remember(session, "g", topic, 0, "id")
    marker.remember(session, "other", "t", 0, "id")

    assert marker.forget(session, "g", "t") == 1
    assert list(marker.load(session, "g")) == [("u", 0)]
    assert marker.forget(session, "g") == 1
    assert list(marker.load(session, "other")) == [("t", 0)]


def test_the_first_history_is_number_one_and_stays_it(session):
    """Nobody has to accept what nothing was counted before."""
    assert [history.check(session), history.check(session)] == [1, 1]
    assert [one.identity for one in history.accepted(session)] == [history.current(session)]


@pytest.mark.parametrize("column", ["system_identifier", "timeline"])
def test_another_system_or_timeline_stops_until_it_is_accepted(session, column):
    """A restore or failover may hand out log positions again; the number is raised by a person."""
    history.check(session)
    session.run(f"UPDATE {{schema}}.history SET {column} = {column} + 1")  # noqa: S608

    with pytest.raises(HistoryChangedError, match=r"`crucible history accept`.*then `crucible reconcile --fix`"):
        history.check(session)

    assert history.accept(session).number == 2
    assert history.accept(session).number == 2
    assert history.check(session) == 2


def test_the_identity_is_what_the_replication_protocol_says(postgres, session):
    """IDENTIFY_SYSTEM is the authority; the watcher's role may not ask it, so it is compared here."""
    with psycopg.connect(f"{postgres.endpoints.postgres_dsn}?replication=database", autocommit=True) as walsender:
        row = walsender.execute("IDENTIFY_SYSTEM").fetchone()

    assert history.current(session) == history.SourceIdentity(int(row[0]), int(row[1]))


def test_the_command_shows_and_accepts(session, dsn, schema):
    """`history show` exits with 1 while the histories differ."""

    def crucible(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "watcher", "history", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "/usr/bin", "CRUCIBLE_POSTGRES__DSN": dsn, "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": schema},
        )

    history.check(session)
    session.run("UPDATE {schema}.history SET timeline = 99")
    before, dry, done, after = (
        crucible(*a) for a in (["show"], ["accept", "--dry-run"], ["accept", "--yes"], ["show"])
    )

    assert [one.returncode for one in (before, dry, done, after)] == [1, 0, 0, 0], done.stderr
    assert "NOT accepted" in before.stdout
    assert "would accept" in dry.stdout
    assert done.stdout.startswith("history 2 is ")
    assert "as accepted" in after.stdout


def test_a_need_keeps_its_first_time(session):
    """Noted again and again, it is as old as it is."""
    reconcile_needed.note(session, "CrucibleEntry", "snapshot")
    (first,) = reconcile_needed.needs(session)
    reconcile_needed.note(session, "CrucibleEntry", "snapshot")
    reconcile_needed.note(session, "CrucibleEntry", "truncate")

    assert reconcile_needed.needs(session)[0].since == first.since
    assert [need.reason for need in reconcile_needed.needs(session)] == ["snapshot", "truncate"]


def test_a_need_that_grows_while_its_table_is_compared_stays(session):
    reconcile_needed.note(session, "Crucible", "dead_letter")
    reconcile_needed.note(session, "Crucible", "snapshot")
    ((began,),) = session.run("SELECT clock_timestamp()")
    reconcile_needed.note(session, "Crucible", "dead_letter")

    assert repair.mended(session, "Crucible", began, "ann@site") == ["snapshot"]
    assert [need.reason for need in reconcile_needed.needs(session)] == ["dead_letter"]
    assert repair.mended(session, "Crucible", began, "ann@site") == []
    logged = [(one.made_by, one.table, one.rows, dict(one.kinds)) for one in repair.log(session, 9)]
    assert logged == [("ann@site", "Crucible", 0, {"no comparison needed for snapshot any more": 0})]


def test_a_need_keeps_its_first_place_and_moves_its_last(session):
    """However many letters come, it is one row that says from where to where."""
    reconcile_needed.note(session, "Crucible", "dead_letter", Extent("t[0]@1", "t[0]@4", 3))
    reconcile_needed.note(session, "Crucible", "dead_letter", Extent("t[0]@9", "t[0]@9"))

    (found,) = [need.found for need in reconcile_needed.needs(session) if need.reason == "dead_letter"]
    assert found == Extent("t[0]@1", "t[0]@9", 4)
