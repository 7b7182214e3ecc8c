"""The schema that comes out, wherever the migrations start, and what still works with it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.migration import site
from tests.migration.truth import shown, true
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.ledger import MigrationError, MigrationState
from watcher.sql_files import Migration

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

SINGLE = Deployment()
GOLDEN = Path(__file__).parent / "golden"


def schema(client: Client) -> dict[str, str]:
    """Every table's DDL, without what differs from one database or moment to the next."""
    rows = client.query(
        "SELECT name, create_table_query, as_select FROM system.tables WHERE database = currentDatabase()"
    ).result_rows
    assert client.database is not None
    return {
        name: re.sub(r"\d{13}", "MOMENT", f"{create}\n{select}".replace(client.database, "DATABASE"))
        for name, create, select in rows
    }


def test_a_new_site_and_an_old_one_get_the_same_schema(new_database: Callable[[], Client]) -> None:
    """Migrating nothing and migrating the site's own tables, with rows, end in the same schema."""
    fresh, old = new_database(), new_database()
    site.make_tables(old)
    site.add_rows(old)
    migrate.up(fresh, SINGLE)
    migrate.up(old, SINGLE, margin=0.1)

    assert schema(fresh) == schema(old)
    assert {"metric_totals", "crucible_stats", "crucible_entry_rating_buffer"} <= schema(fresh).keys()


def test_the_second_time_does_nothing(client: Client) -> None:
    """Running again applies nothing and changes no table."""
    first = migrate.up(client, SINGLE)
    before = schema(client)

    assert [migration.version for migration in migrate.migrations()] == [done.version for done in first]
    assert migrate.up(client, SINGLE) == []
    assert schema(client) == before
    assert migrate.pending(client, SINGLE) == []
    assert {one.state for one in migrate.status(client, SINGLE)} == {MigrationState.APPLIED}


def test_before_the_first_time_everything_is_pending(client: Client) -> None:
    """Asking how things stand changes nothing, not even to note that it was asked."""
    assert {one.state for one in migrate.status(client, SINGLE)} == {MigrationState.PENDING}
    assert schema(client) == {}


@pytest.mark.parametrize("existing", [False, True])
def test_the_site_inserts_as_before(client: Client, existing: bool) -> None:
    """The site's own INSERT forms land, through the Buffer table too, and the views count them."""
    if existing:
        site.make_tables(client)
    migrate.up(client, SINGLE)
    site.insert_as_the_site_does(client)
    client.command(
        "INSERT INTO crucible_entry_rating_buffer (crucible_id, winner_entry_id, loser_entry_id, user_id) "
        "VALUES (1, 2, 3, 5)"
    )
    client.command("OPTIMIZE TABLE crucible_entry_rating_buffer")

    # a vote, one through the buffer, and one more through it in another form
    assert client.query("SELECT votes, judges FROM crucible_stats WHERE crucible_id = 1").result_rows == [(3, 2)]
    assert client.query("SELECT entity_id, metric_type, total FROM metric_totals").result_rows == [(1, "Vote", 1)]
    assert shown(client) == true(client)


def test_a_changed_file_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that was applied with other content stops the next run, by name."""
    known = migrate.migrations()[:3]
    monkeypatch.setattr(migrate, "migrations", lambda: known)
    migrate.up(client, SINGLE)
    changed = (*known[:1], Migration(2, known[1].name, known[1].text + "\n"), *known[2:])
    monkeypatch.setattr(migrate, "migrations", lambda: changed)

    with pytest.raises(MigrationError, match="0002_entry_ratings was applied with other content"):
        migrate.up(client, SINGLE)
    assert migrate.status(client, SINGLE)[1].state is MigrationState.CHANGED


def test_what_a_newer_version_applied_is_shown_and_left_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older program on a newer schema sees that there is more than it knows."""
    known = migrate.migrations()[:3]
    monkeypatch.setattr(migrate, "migrations", lambda: known)
    migrate.up(client, SINGLE)
    monkeypatch.setattr(migrate, "migrations", lambda: known[:-1])

    assert migrate.up(client, SINGLE) == []
    assert migrate.status(client, SINGLE)[-1].state is MigrationState.UNKNOWN


@pytest.mark.parametrize(
    "deployment",
    [
        SINGLE,
        Deployment(kind="cluster", cluster="main"),
        Deployment(kind="cloud"),
    ],
    ids=lambda deployment: deployment.kind,
)
def test_each_deployment_gets_its_sql(deployment: Deployment) -> None:
    """The same files, as one server, a replicated cluster and ClickHouse Cloud get them, as reviewed."""
    rendered = migrate.script(deployment, "default")
    golden = GOLDEN / f"{deployment.kind}.sql"
    if os.environ.get("CRUCIBLE_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(rendered)

    assert golden.read_text() == rendered
    assert "@" not in rendered


@pytest.mark.parametrize(("kind", "cluster"), [("cluster", None), ("single", "main"), ("cloud", "main")])
def test_a_cluster_has_a_name_and_nothing_else_has(kind: str, cluster: str | None) -> None:
    """A deployment that contradicts itself is refused, with both keys named."""
    with pytest.raises(MigrationError, match=r"clickhouse\.deployment .* clickhouse\.cluster"):
        Deployment(kind=kind, cluster=cluster)
