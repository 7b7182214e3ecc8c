"""SQL in files: how it is found and what a file may say."""

import re

import pytest

from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.queries import queries
from watcher.clickhouse.vote_tables import VOTE_EVENTS, VOTES
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.migrate import migrations
from watcher.migrations.clickhouse.steps import BufferTable, RepeatableSql, Stamp, View, read_steps
from watcher.migrations.ledger import MigrationError


def test_every_query_says_its_name_once_and_is_one_statement():
    """Names are unique over all files, and no query is empty or two."""
    found = queries()

    assert len(found) > 5
    bare = {name: re.sub(r"--.*|'[^']*'", "", text).strip() for name, text in found.items()}
    assert [name for name, text in bare.items() if not text or ";" in text] == []


def test_every_migration_can_be_read_and_rendered():
    """Each file consists of known sections and placeholders, in every deployment."""
    for migration in migrations():
        steps = read_steps(migration.text)

        assert steps, migration.name
        for step in steps:
            for text in step.texts if isinstance(step, RepeatableSql) else ():
                assert "@" not in Deployment().render(text, {})


def test_every_view_is_compared_with_its_table():
    """After a recovery a view may lack what its table has; one that no insert compares would go on lacking it."""
    steps = [step for migration in migrations() for step in read_steps(migration.text)]
    views = {(step.source, step.target) for step in steps if isinstance(step, View)}
    assert len(views) > 5

    for name, asked in (
        (CHANGES.name, CHANGES.views),
        (VOTES.name, VOTES.views),
        (VOTE_EVENTS.name, VOTE_EVENTS.views),
    ):
        compared = {view for query in asked for view in re.findall(r"FROM (\w+_v\d+)\b", queries()[query])}
        assert compared == {target for source, target in views if source == name}, f"beside {', '.join(asked)}"


def test_a_file_becomes_steps():
    """Sections become steps in their order; semicolons at the end of a line part statements."""
    text = """-- Why.

-- statements --
-- the first; with a semicolon in its comment
A 'x;y' @on_cluster;
B;

-- stamp t at --
-- buffer b of t --
CREATE b;
-- view v of t by at --
-- target --
CREATE v;
-- select --
SELECT 1
-- key --
a, b
-- fingerprint --
a, b, c
-- reader --
CREATE VIEW r;
"""
    first, second, third, fourth = read_steps(text)

    assert first == RepeatableSql(("-- the first; with a semicolon in its comment\nA 'x;y' @on_cluster", "B"))
    assert second == Stamp("t", "at")
    assert third == BufferTable("b", "t", "CREATE b")
    assert fourth == View("v", "t", "at", "CREATE v", "SELECT 1", "a, b", "a, b, c", "CREATE VIEW r")


@pytest.mark.parametrize(
    "text",
    [
        "-- wipe everything --\n",
        "-- view v of t by at --\n-- target --\nCREATE v;\n",
        "-- buffer b of t --\nCREATE b;\nCREATE c;\n",
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str):
    """Unknown, incomplete and double sections are errors that quote the section."""
    with pytest.raises(MigrationError, match=re.escape(text.splitlines()[0])):
        read_steps(text)


def test_an_unknown_placeholder_is_refused():
    """A placeholder that nothing fills is named, with those that would be."""
    with pytest.raises(MigrationError, match=r"@cluster is no placeholder here; known are .*@on_cluster"):
        Deployment().render("CREATE TABLE t @cluster", {})
