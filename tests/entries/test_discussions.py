"""Which comments belong to which crucible, as triggers in the site's own transactions write it down."""

import pytest

import debezium
from tests.entries.site import Site

NOTED = "SELECT crucible_id FROM SCHEMA.crucible_comment ORDER BY comment_id"
COMMENT = """
INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt") VALUES ('Lovely', %s, %s, now()) RETURNING id
"""


@pytest.fixture
def discussed(site: Site) -> tuple[int, int]:
    """A crucible with three comments; it, and the thread."""
    site.admin.execute(debezium.THREADS.read_bytes())
    crucible = site.crucible()
    thread = site.one('INSERT INTO "Thread" ("crucibleId") VALUES (%s) RETURNING id', crucible)
    for _ in range(3):
        site.one(COMMENT, site.user(), thread)
    return crucible, thread


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ('DELETE FROM "CommentV2" WHERE id = (SELECT min(id) FROM "CommentV2")', 2),
        ('TRUNCATE "CommentV2" CASCADE', 0),
        ('TRUNCATE "User" CASCADE', 0),
    ],
    ids=["one", "all", "all users"],
)
def test_comments_that_go_are_written_down(site: Site, discussed: tuple[int, int], statement: str, left: int) -> None:
    site.run("BEGIN")
    site.run(statement)
    noted = site.all(NOTED)
    site.run("ROLLBACK")

    assert noted == [(discussed[0],)] * left


def test_comments_that_went_unseen_are_taken_out(site: Site, discussed: tuple[int, int]) -> None:
    """While the triggers were not there, or did not look at TRUNCATE yet; the file is run again."""
    site.run('ALTER TABLE "CommentV2" DISABLE TRIGGER USER')
    site.run('DELETE FROM "CommentV2"')
    site.run('ALTER TABLE "CommentV2" ENABLE TRIGGER USER')
    before = len(site.all(NOTED))

    site.admin.execute(debezium.THREADS.read_bytes())

    assert (before, site.all(NOTED)) == (3, [])
