"""``crucible reconcile``: what it says, and what it mends."""

import json

from tests.command import crucible
from tests.reconcile.conftest import World


def test_the_command(world: World) -> None:
    """It exits with 1 where something differs, and names changes that are there twice and views that are wrong."""
    contest = world.crucible()
    world.enter(contest, 5)
    world.count()
    world.clickhouse.command("INSERT INTO entityMetricEvents SELECT * FROM entityMetricEvents WHERE sourceKey = 3")
    world.clickhouse.command("ALTER TABLE metric_daily_v1 DELETE WHERE entity_id = 2 SETTINGS mutations_sync = 2")
    done = crucible("reconcile", "--table", "CrucibleEntry", "--json", environ=world.environ)

    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [(one["table"], one["kinds"]) for one in report["tables"]] == [("CrucibleEntry", {"repeated": 1})]
    assert [(one["source"], one["rows"], one["keys"]) for one in report["twice"]] == [("CrucibleEntry", 2, [3, 3])]
    assert [one["view"] for one in report["views"]] == ["metric_daily"]
    made_with, found = world.site.execute(
        "SELECT made_with, found FROM crucible_watcher.reconcile_run ORDER BY ended DESC LIMIT 1"
    ).fetchone()  # type: ignore[misc]
    kinds = {"repeated": 1, "twice": 2}
    assert (made_with, found) == ("command", {"CrucibleEntry": kinds, "metric_daily": {"view": 1}})
    told = crucible("reconcile", "--table", "CrucibleEntry", "--dry-run", environ=world.environ)
    assert "CrucibleEntry  repeated" in told.stdout
    assert crucible("reconcile", "--table", "Nothing", environ=world.environ).returncode == 2


def test_the_command_makes_views_anew(world: World) -> None:
    """And its log says who did it."""
    world.enter(world.crucible(), 5)
    world.count()
    world.clickhouse.command("ALTER TABLE metric_daily_v1 DELETE WHERE entity_id = 2 SETTINGS mutations_sync = 2")
    done = crucible("reconcile", "--fix", "--table", "CrucibleEntry", "--json", environ=world.environ)

    assert done.returncode == 0, done.stderr
    assert [(one["view"], one["mended"]) for one in json.loads(done.stdout)["views"]] == [("metric_daily", True)]
    asked = "SELECT sum(total) FROM {} WHERE entity_id = 2"
    shown = [world.clickhouse.query(asked.format(view)).result_rows for view in ("metric_daily", "metric_totals")]
    assert shown[0] == shown[1]
    (latest,) = json.loads(crucible("reconcile", "--log", "--json", environ=world.environ).stdout)[:1]
    assert (latest["table"], latest["kinds"], latest["rows"]) == ("metric_daily", {"made anew": 1}, 1)
