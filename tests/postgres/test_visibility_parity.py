"""Which images are shown: the rule in Python and the one in SQL say the same of every combination of what decides."""

from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from stack import Stack
from watcher.model.visibility import ALL_LEVELS, BLOCKED, Moderation, hidden
from watcher.postgres.session import Session
from watcher.postgres.site.statements import CONSTANTS
from watcher.sql_files import named_statements

EVERY_COMBINATION = """-- every_combination --
-- All values of each column that decides, against each other: every set of flags, with one that nobody knows.
SELECT
    {moderation},
    crucible."nsfwLevel",
    {visible_image}
FROM (
    SELECT level AS "nsfwLevel", tos AS "tosViolation", review AS "needsReview", ingestion, blocked AS "blockedFor"
    FROM generate_series(-1, 2 * %(blocked)s + 1) level,
        (VALUES (false), (true)) tos (tos),
        (VALUES (NULL), (''), ('poi')) review (review),
        unnest(enum_range(NULL::"ImageIngestionStatus")) ingestion,
        (VALUES (NULL), (''), ('moderated')) blocked (blocked)
) image, (
    SELECT level AS "nsfwLevel" FROM unnest(%(levels)s) level
) crucible
"""


def statement(folder: Path, rule: str) -> str:
    """The statement with a rule in it."""
    folder.joinpath("visibility.sql").write_text(rule)
    folder.joinpath("combinations.sql").write_text(EVERY_COMBINATION)
    found = named_statements(folder, "visibility.sql", "combinations.sql", constants=CONSTANTS)
    return found["every_combination"]


def disagreements(postgres: Stack, query: str) -> tuple[int, int, list[tuple[Moderation, int]]]:
    """How many combinations there are, how many are shown, and of which the two rules say different things."""
    levels = [0, *(1 << bit for bit in range(7)), 3, ALL_LEVELS, BLOCKED | 1, -1]
    differ, shown, count = [], 0, 0
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), cursor_factory=psycopg.ClientCursor) as connection:
        for *moderation, level, visible in connection.execute(
            query,  # type: ignore[arg-type] # a test's own
            {"blocked": BLOCKED, "levels": levels},
        ):
            image = Moderation(*moderation)
            count, shown = count + 1, shown + visible
            if (hidden(image, level) is None) is not visible:
                differ.append((image, level))
    return count, shown, differ


def test_both_rules_say_the_same(postgres: Stack, tmp_path: Path) -> None:
    """One query, all combinations."""
    rule = files("watcher.postgres.site").joinpath("visibility.sql").read_text()

    count, shown, differ = disagreements(postgres, statement(tmp_path, rule))

    assert differ == []
    assert count == 67 * 2 * 3 * 7 * 3 * 12
    assert 0 < shown < count


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ('image."nsfwLevel" BETWEEN 1 AND {ALL_LEVELS}', 'image."nsfwLevel" <> 0'),
        ('image."nsfwLevel" & crucible."nsfwLevel" <> 0', 'image."nsfwLevel" <= crucible."nsfwLevel"'),
        ('NOT image."tosViolation"', "true"),
        ('image."needsReview" IS NULL', """coalesce(image."needsReview", '') = ''"""),
        ("image.ingestion::text = '{SCANNED}'", "image.ingestion::text <> 'Pending'"),
        ('image."blockedFor" IS NULL', """coalesce(image."blockedFor", '') = ''"""),
    ],
)
def test_a_rule_that_differs_in_one_part_is_noticed(postgres: Stack, tmp_path: Path, part: str, instead: str) -> None:
    """The control, for every part of the rule."""
    rule = files("watcher.postgres.site").joinpath("visibility.sql").read_text()
    assert part in rule

    _, _, differ = disagreements(postgres, statement(tmp_path, rule.replace(part, instead)))

    assert differ != []


def test_an_image_that_is_gone_is_not_shown(session: Session, tmp_path: Path) -> None:
    """An outer join that finds no image gives false, not NULL."""
    rule = files("watcher.postgres.site").joinpath("visibility.sql").read_text()
    tmp_path.joinpath("visibility.sql").write_text(rule)
    tmp_path.joinpath("gone.sql").write_text(
        '-- gone --\n-- No image.\nSELECT {visible_image} FROM (SELECT 31 AS "nsfwLevel") crucible '
        'LEFT JOIN "Image" image ON image.id = -1'
    )
    query = named_statements(tmp_path, "visibility.sql", "gone.sql", constants=CONSTANTS)["gone"]

    assert session.read(query) == [(False,)]
