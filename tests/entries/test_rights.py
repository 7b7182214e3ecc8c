"""Who may move money and who may not: each role's rights, tried."""

import psycopg
import pytest
from psycopg import errors

from stack import Stack
from tests import site_database
from tests.entries.site import Site
from watcher.admin.doctor.postgres.settling import endings, large_crucibles, ledger, results, settling
from watcher.postgres.session import open_session


def as_role(parts: Stack, site: Site, role: str) -> psycopg.Connection:
    """A connection as one of the database roles that the shipped files make."""
    site.admin.execute(site_database.debezium.SETTLE.read_bytes())
    password = psycopg.sql.Literal(site_database.PASSWORD)
    site.admin.execute(psycopg.sql.SQL("ALTER ROLE crucible_settle PASSWORD {}").format(password))
    return psycopg.connect(site_database.as_role(str(parts.endpoints.postgres_dsn), role), autocommit=True)


RESULTS = ['UPDATE "CrucibleEntry" SET score = 9000', "UPDATE \"Crucible\" SET status = 'Completed'"]
"""What who settles may do, and nobody else."""


@pytest.mark.parametrize("statement", RESULTS)
def test_the_watcher_s_role_writes_no_result(parts: Stack, site: Site, statement: str) -> None:
    with as_role(parts, site, "crucible_watcher") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["crucible_watcher", "crucible_settle"])
@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE "CrucibleEntry" SET "userId" = 1',
        'UPDATE "CrucibleEntry" SET "buzzTransactionId" = NULL',
        'UPDATE "Crucible" SET "prizePositions" = \'{"1": 100}\'',
        'UPDATE "Crucible" SET "endAt" = NULL',
        'DELETE FROM "Crucible"',
        'DELETE FROM "CrucibleEntry"',
        'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") VALUES (1, 1, 1)',
        'UPDATE "User" SET muted = false',
        'UPDATE "Image" SET "nsfwLevel" = 1',
    ],
)
def test_nobody_writes_to_the_site_s_tables(parts: Stack, site: Site, role: str, statement: str) -> None:
    with as_role(parts, site, role) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)  # type: ignore[arg-type]


def test_the_watcher_s_role_cannot_touch_the_ledger(parts: Stack, site: Site) -> None:
    with as_role(parts, site, "crucible_settle") as settle:
        settle.execute("CREATE TABLE IF NOT EXISTS crucible_ledger.of_a_test ()")

    with as_role(parts, site, "crucible_watcher") as watcher:
        for statement in ("SELECT FROM crucible_ledger.of_a_test", "CREATE TABLE crucible_ledger.mine ()"):
            with pytest.raises(errors.InsufficientPrivilege):
                watcher.execute(statement)  # type: ignore[arg-type]


def test_who_settles_may_write_what_was_decided(parts: Stack, site: Site) -> None:
    """The control: the role that the tests above find without rights has those that it needs."""
    with as_role(parts, site, "crucible_settle") as settle:
        settle.execute(
            psycopg.sql.SQL("UPDATE {}.entry_verdict SET fee = 0").format(psycopg.sql.Identifier(site.schema))
        )
        settle.execute('SELECT count(*) FROM "CrucibleEntry"')
        for statement in RESULTS:
            settle.execute(statement)  # type: ignore[arg-type]


def test_the_doctor_tells_who_cannot_write_results(parts: Stack, site: Site) -> None:
    as_role(parts, site, "crucible_settle").close()
    for role, expected in [("crucible_settle", "ok"), ("crucible_watcher", "fail")]:
        dsn = site_database.as_role(str(parts.endpoints.postgres_dsn), role)
        with open_session(dsn, site.schema) as session:
            assert [one.level.value for one in results(session)] == [expected]


def test_the_doctor_names_an_index_that_makes_large_crucibles_slow(site: Site) -> None:
    with site.open_session() as session:
        (found,) = large_crucibles(session)
        site.run('DROP INDEX "CrucibleEntry_crucibleId_idx"')
        (then,) = large_crucibles(session)
    site.run('CREATE INDEX "CrucibleEntry_crucibleId_idx" ON "CrucibleEntry" USING hash ("crucibleId")')

    assert (found.level.value, then.level.value) == ("warn", "ok")
    assert "CrucibleEntry_crucibleId_idx" in found.advice


def test_the_doctor_names_endings_that_are_parked(parts: Stack, site: Site) -> None:
    with site.open_session() as session:
        assert [one.level.value for one in endings(session)] == ["ok"]
        site.run(
            "INSERT INTO SCHEMA.settlement (crucible_id, name, creator_id, state, parked_from, reason) "
            "VALUES (7, 'x', 1, 'parked', 'due', 'somebody has to look')"
        )

        (found,) = endings(session)

    assert (found.level.value, found.advice) == ("warn", "`crucible settle show 7` says why and what to do")


@pytest.mark.parametrize(
    ("role", "schema", "expected"),
    [
        ("crucible_settle", "crucible_ledger", ["ok", "ok"]),
        ("crucible_settle", "no_such_ledger", ["ok", "fail"]),
        ("crucible_watcher", "crucible_ledger", ["ok", "fail"]),
        ("stranger", "crucible_ledger", ["fail", "fail"]),
    ],
)
def test_the_doctor_tells_who_cannot_settle(
    parts: Stack, site: Site, role: str, schema: str, expected: list[str]
) -> None:
    as_role(parts, site, "crucible_settle").close()
    dsn = str(parts.endpoints.postgres_dsn)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        admin.execute(psycopg.sql.SQL("ALTER ROLE stranger PASSWORD {}").format(site_database.PASSWORD))
    with open_session(site_database.as_role(dsn, role), site.schema) as session:
        found = [*settling(session), *ledger(session, schema)]

    assert [one.level.value for one in found] == expected
    assert all(one.advice for one in found if one.level.value != "ok")
