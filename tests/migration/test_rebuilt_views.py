"""Views that show something else than their tables are found, and made anew while writers go on."""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.migration import site
from tests.migration.truth import shown, true
from tests.scythe import Scythe
from watcher.admin.doctor import clickhouse as doctor
from watcher.admin.doctor.findings import Level
from watcher.migrations import ledger
from watcher.migrations.clickhouse import contents, dropped, migrate, rebuild_view
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.server import Server
from watcher.reconcile.views import differing
from watcher.runtime.failpoint import VIEW_PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

    from tests.clickhouse_process import DoorProcess

SINGLE = Deployment()
VIEWS = {view.target: view for view in migrate.made_views()}


@pytest.fixture(scope="module")
def lived(shared_door: DoorProcess) -> Iterator[Client]:
    """A site whose views have rows of fills and rows that came since; each test leaves its views right."""
    admin, name = shared_door.client(), f"rebuilt_{uuid.uuid4().hex}"
    admin.command(f"CREATE DATABASE {name}")
    client = shared_door.client(database=name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "ROWS_PER_BUCKET", 200)  # so that fills are in several buckets
        yield _with_a_life(client)
    client.close()
    admin.command(f"DROP DATABASE {name} SYNC")
    admin.close()


def _with_a_life(client: Client) -> Client:
    site.make_tables(client)
    site.add_rows(client)
    migrate.up(client, SINGLE, margin=0.1)
    site.insert_as_the_site_does(client)
    client.command("OPTIMIZE TABLE crucible_entry_rating_buffer")
    client.command(
        "INSERT INTO crucible_entry_rating (crucible_id, winner_entry_id, loser_entry_id, user_id, created_at, "
        "vote_epoch, vote_seq, winner_elo, loser_elo) SELECT 1, 2, 3, number, now() - number, 1, number + 1, "
        "1500 + number, 1500 - number FROM numbers(50)"
    )
    return client


def server(client: Client) -> Server:
    """What runs and compares, with a boundary that is near."""
    return Server(client, SINGLE, lambda _: None, margin=0.2)


def damage(client: Client) -> set[str]:
    """Take a part of two views away, and double one; return which."""
    client.command("ALTER TABLE metric_daily_v1 DELETE WHERE entity_id = 2 SETTINGS mutations_sync = 2")
    client.command("ALTER TABLE entry_rating_v1 DELETE WHERE entry_id = 3 SETTINGS mutations_sync = 2")
    client.command("INSERT INTO crucible_votes_v1 SELECT * FROM crucible_votes_v1 WHERE bucket = 1")
    return {"metric_daily", "entry_rating", "crucible_votes"}


def found(client: Client) -> set[str]:
    """Names of the views that differ."""
    looks = [differing(server(client), view, lambda _: time.sleep(0.05)) for view in VIEWS.values()]
    return {one.report(3).view for one in looks if one.keys}


def settled(client: Client) -> Client:
    """The client, when what waits in the Buffer table is in the table behind it."""
    client.command("OPTIMIZE TABLE crucible_entry_rating_buffer")
    return client


def test_a_view_with_a_part_missing_and_one_doubled_are_made_anew_while_writers_go_on(lived: Client) -> None:
    """No row is lost and none is doubled; a view that is right is not told, whatever is on its way to it."""
    assert found(lived) == set()
    broken = damage(lived)
    daily = differing(server(lived), VIEWS["metric_daily_v1"], lambda _: None)
    ((total, events),) = lived.query(
        "SELECT sum(metricValue), count() FROM entityMetricEvents "
        "WHERE entityType = 'Crucible' AND entityId = 2 AND metricType = 'Entry'"
    ).result_rows
    assert ("Crucible:2:Entry", f"total {total}, events {events}", "total 0, events 0") in daily.keys
    with site.writing(lived):
        assert found(lived) == broken
        for name in sorted(broken):
            rebuild_view.rebuild_view(server(lived), VIEWS[f"{name}_v1"])
        rebuild_view.rebuild_view(server(lived), VIEWS["metric_daily_v1"])  # over one that was made anew

    assert shown(settled(lived)) == true(lived)
    assert found(lived) == set()
    left = lived.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%\\_until\\_%'"
    )
    assert left.result_rows == []


LOST = {
    *("metric_totals_v1_mv", "entry_record_v1", "judge_activity_v1", "judge_activity_v1_mv", "crucible_stats"),
    *("crucible_entry_rating_buffer", "watcher_mark"),
}
"""Dropped below: the view, its table, both, what people read, the Buffer table, and a plain one."""


def test_what_was_dropped_is_told_and_made_anew_from_what_is_there(lived: Client) -> None:
    """Its migration was recorded, so ``migrate up`` does not make it; the advice is what does."""
    settled(lived)
    for name in sorted(LOST):
        lived.command(f"DROP TABLE {name} SYNC")
    lived.command(  # a row that no view has seen
        "INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt) "
        "VALUES ('Crucible', 2, 1, 'Entry', 1, now())"
    )
    told = list(doctor.migrations(lived, SINGLE))

    assert migrate.up(lived, SINGLE) == []
    assert [(one.level, one.advice) for one in told] == [(Level.FAIL, ledger.LOST)]
    assert {one.name for one in dropped.dropped(server(lived))} == LOST
    assert all(name in told[0].found for name in LOST)
    assert set(dropped.make_anew(server(lived))) == LOST
    assert dropped.make_anew(server(lived)) == []
    assert shown(settled(lived)) == true(lived)
    assert found(lived) == set()
    assert [one.level for one in doctor.migrations(lived, SINGLE)] == [Level.OK]


def test_who_dies_in_it_is_finished_by_the_next(lived: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any place, while a writer goes on."""
    scythe, view = Scythe(monkeypatch, rebuild_view), VIEWS["entry_record_v1"]
    lived.command("INSERT INTO entry_record_v1 SELECT * FROM entry_record_v1")
    with site.writing(lived):
        for place in VIEW_PLACES:
            scythe.run(lambda: rebuild_view.rebuild_view(server(lived), view), 1, place)
            if place == "view.moved":
                rebuild_view.finish_rebuild(server(lived), view)
    assert set(scythe.killed) == set(VIEW_PLACES)

    assert shown(settled(lived)) == true(lived)


def test_an_insert_that_runs_across_the_exchange_counts_once(lived: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has found the old table, and brings rows to it after the exchange."""
    reached: list[str] = []
    writers: list[threading.Thread] = []

    def write() -> None:
        lived.command(
            "INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt) "
            "SELECT 'Crucible', 77, number, 'Vote', 1, now64(3) FROM numbers(15) WHERE sleepEachRow(0.1) = 0 "
            "SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1, "
            "max_threads = 1"
        )

    def reach(place: str) -> None:
        reached.append(place)
        if place == "view.filled":
            writers.append(threading.Thread(target=write))
            writers[0].start()
            asked = "SELECT count() FROM entityMetricEvents WHERE entityId = 77"
            while not lived.query(asked).result_rows[0][0]:
                pass

    monkeypatch.setattr(rebuild_view, "reach", reach)
    rebuild_view.rebuild_view(server(lived), VIEWS["metric_totals_v1"])
    writers[0].join(60)

    assert reached == list(VIEW_PLACES)
    assert shown(lived, "metric_totals") == true(lived, "metric_totals")


def test_rows_of_meanwhile_are_lost_without_the_move(lived: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: an exchange alone leaves in the old table what came to it during the fill."""
    fill = rebuild_view._fill

    def slow(*given: contents.Contents) -> None:
        fill(*given)  # type: ignore[arg-type, call-arg]
        site.insert_as_the_site_does(lived)

    monkeypatch.setattr(rebuild_view, "_fill", slow)
    rebuild_view.rebuild_view(server(lived), VIEWS["metric_totals_v1"])
    assert shown(lived, "metric_totals") == true(lived, "metric_totals")
    with monkeypatch.context() as patch:
        patch.setattr(rebuild_view, "_gather", lambda *_: None)
        rebuild_view.rebuild_view(server(lived), VIEWS["metric_totals_v1"])

    assert shown(lived, "metric_totals") != true(lived, "metric_totals")
    rebuild_view.finish_rebuild(server(lived), VIEWS["metric_totals_v1"])
    assert shown(lived, "metric_totals") == true(lived, "metric_totals")


def test_what_its_table_has_let_go_of_stays_in_a_view(lived: Client) -> None:
    """Of such keys nobody can tell what is right: they are not told, and what is shown of them is taken over."""
    lived.command(
        "INSERT INTO crucible_entry_rating (crucible_id, winner_entry_id, loser_entry_id, user_id, created_at) "
        "SELECT 900, 1, 2, number, now() - toIntervalDay(89) FROM numbers(30)"
    )
    lived.command("ALTER TABLE crucible_entry_rating DELETE WHERE crucible_id = 900 SETTINGS mutations_sync = 2")

    def old() -> list[tuple[object, ...]]:
        asked = "SELECT votes, judges, first_vote FROM crucible_stats WHERE crucible_id = 900"
        return [tuple(row) for row in lived.query(asked).result_rows]

    before = old()
    assert found(lived) == set()
    lived.command("INSERT INTO crucible_votes_v1 SELECT * FROM crucible_votes_v1 WHERE crucible_id = 1")
    assert found(lived) == {"crucible_votes"}
    for _ in range(2):
        rebuild_view.rebuild_view(server(lived), VIEWS["crucible_votes_v1"])

    assert (found(lived), old(), before[0][:2]) == (set(), before, (30, 30))


def test_of_rows_that_go_by_another_rule_than_their_age_nothing_is_told(lived: Client) -> None:
    """Their table's TTL names another column, so which keys it still has all rows of is nobody's to know."""
    lived.command("ALTER TABLE crucible_entry_rating MODIFY TTL created_at + toIntervalDay(80 + user_id % 10)")
    lived.command("INSERT INTO crucible_votes_v1 SELECT * FROM crucible_votes_v1 WHERE crucible_id = 1")
    untold = found(lived)
    lived.command("ALTER TABLE crucible_entry_rating MODIFY TTL created_at + INTERVAL 90 DAY")
    told = found(lived)
    rebuild_view.rebuild_view(server(lived), VIEWS["crucible_votes_v1"])

    assert (untold, told, found(lived)) == (set(), {"crucible_votes"}, set())


def test_the_key_s_columns_are_the_first_of_each_fingerprint() -> None:
    """By that the same keys are found in a table and in its view."""
    none: Server = None  # type: ignore[assignment]
    named = {target: contents.Contents(none, view, None, ()).keys for target, view in VIEWS.items()}

    for target in ("metric_totals_v1", "metric_daily_v1", "metric_hourly_v1"):
        assert named.pop(target) == ["entity_type", "entity_id", "metric_type"]
    assert named.pop("judge_activity_v1") == ["user_id"]
    assert set(map(tuple, named.values())) == {("crucible_id",)}


def test_a_table_that_was_dropped_gets_all_its_columns_back(
    new_database: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of later migrations too, with their defaults; and it is told before anybody takes a partition."""
    known = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: known[:3])
    client = new_database()
    migrate.up(client, SINGLE)

    def made() -> list[str]:
        rows = client.query("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
        return sorted(re.sub(r"UUID '[^']*'", "", f"{name} {text}") for name, text in rows.result_rows)

    before = made()
    client.command("DROP TABLE entityMetricEvents SYNC")
    client.command("DROP TABLE crucible_entry_rating SYNC")

    assert set(dropped.make_anew(server(client))) == {"entityMetricEvents", "crucible_entry_rating"}
    assert made() == before
