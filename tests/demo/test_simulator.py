"""The site simulator: what Postgres counts is what was committed, and every awkward shape occurs."""

from __future__ import annotations

import json
import time
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from demo.entries import buzz_books
from demo.program import OwnProgram
from demo.simulator import Bounds, Simulator
from demo.simulator.draft import Draft
from demo.simulator.scenes import SCENES
from demo.simulator.site import Site
from demo.simulator.till import Till
from tests.demo.conftest import one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stack import Stack

COUNT = {table: f'SELECT count(*) FROM "{table}"' for table in ("Crucible", "CrucibleEntry")}  # noqa: S608 - ours
LOG = "SELECT tbl, op::text, key, crucible_before, crucible_after, user_before, user_after FROM site_change_log"


def play(dsn: str, seed: int, steps: int, bounds: Bounds | None = None) -> Simulator:
    """Play some scenes and end what is open."""
    with Simulator(dsn, seed, bounds=bounds) as simulator:
        for _ in range(steps):
            simulator.step()
        simulator.settle()
        return simulator


def test_log_counts_what_was_committed(site: str) -> None:
    """Inserts minus deletes in the log are the rows of the tables, and its length is what the simulator believes."""
    simulator = play(site, seed=7, steps=300)

    with psycopg.connect(site) as connection:
        for table, query in COUNT.items():
            counted = _counts(connection, table)
            assert counted["c"] - counted["d"] == one(connection, query)
        assert one(connection, "SELECT count(*) FROM site_change_log") == simulator.tally.changes


def test_every_scene_is_played(site: str) -> None:
    """A run of ordinary length plays each scene, rolls back, and is refused nothing."""
    tally = play(site, seed=1, steps=600).tally

    assert {scene.name for scene in SCENES} | {"open_transaction"} == set(tally.scenes)
    assert tally.rolled_back > 0
    assert tally.refused == 0


def test_people_pay_and_crucibles_end(site: str, stores: Stack) -> None:
    """With a Buzz service there are fees of both kinds, late scans, and crucibles that are over or called off."""
    with Till(stores.buzz.url) as till, Simulator(site, seed=1, till=till) as simulator:
        for _ in range(900):
            simulator.step()
        simulator.settle()
        tally = simulator.tally
    with psycopg.connect(site) as connection:
        paid = one(connection, 'SELECT count(*) FROM "CrucibleEntry" WHERE "buzzTransactionId" IS NOT NULL')
        dear = one(connection, 'SELECT count(*) FROM "CrucibleEntry" e JOIN "Crucible" c ON c.id = e."crucibleId" '
                               'WHERE c."entryFee" > 0 AND e."buzzTransactionId" IS NULL')  # fmt: skip
        late = one(connection, "SELECT count(*) FROM \"Image\" WHERE url LIKE 'late-%'")
        over = one(connection, "SELECT count(*) FROM \"Crucible\" WHERE status = 'Cancelled' OR \"endAt\" < now() + "
                               "interval '1 hour'")  # fmt: skip

    assert min(paid, dear, late, over) > 0
    assert tally.refused == 0


def test_a_fee_of_what_came_to_nothing_goes_back(site: str, stores: Stack) -> None:
    """What the site took for a transaction that was rolled back is not kept."""
    url = stores.buzz.url
    with Till(url) as till, Simulator(site, till=till), psycopg.connect(site) as connection:
        payer = one(connection, "SELECT max(account) FROM site_buzz_purchase WHERE kind = 'User' AND amount > 100")
        draft = Draft(connection, Site.of(connection), Random(3), till)
        prefix = draft.pay(payer, 10)
        taken = {fee.prefix for fee in buzz_books.read(url).held}
        draft.roll_back()

    assert prefix in taken
    assert prefix not in {fee.prefix for fee in buzz_books.read(url).held}


def test_equal_seeds_do_the_same(new_site: Callable[[], str]) -> None:
    """Two runs with one seed leave the same log, row by row; another seed leaves another.

    Sorted, because PostgreSQL chooses in which order one statement changes its rows.
    """
    logs = []
    for seed in (5, 5, 6):
        dsn = new_site()
        play(dsn, seed, steps=80)
        with psycopg.connect(dsn) as connection:
            logs.append(connection.execute(f"{LOG} ORDER BY 1, 2, 3, 4, 5, 6, 7").fetchall())

    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_rollback_leaves_no_trace(site: str) -> None:
    """What a transaction changed and took back is neither in the tables nor in the log."""
    with Simulator(site) as simulator, psycopg.connect(site) as connection:
        before = connection.execute(LOG).fetchall()
        connection.execute('DELETE FROM "Crucible"')
        assert connection.execute(LOG).fetchall() != before
        connection.rollback()

        assert connection.execute(LOG).fetchall() == before
        assert simulator.committed().total == len(before)


def test_changed_key_is_logged_as_delete_and_insert(site: str) -> None:
    """The log speaks of a changed primary key as the replication stream does."""
    with Simulator(site), psycopg.connect(site, autocommit=True) as connection:
        crucible = one(connection, 'SELECT min(id) FROM "Crucible"')
        mark = one(connection, "SELECT max(number) FROM site_change_log")
        connection.execute('UPDATE "Crucible" SET id = 900 WHERE id = %s', (crucible,))

        rows = connection.execute(f"{LOG} WHERE number > %s AND tbl = 'Crucible' ORDER BY number", (mark,)).fetchall()
    assert [row[:5] for row in rows] == [("Crucible", "d", crucible, crucible, None), ("Crucible", "c", 900, None, 900)]


def test_commits_come_in_another_order_than_changes(site: str) -> None:
    """Changes of one transaction lie on both sides of another's, so their commits cannot follow the changes' order."""
    play(site, seed=3, steps=200)
    with psycopg.connect(site) as connection:
        transactions = one(connection, "SELECT array_agg(xmin::text::bigint ORDER BY number) FROM site_change_log")
    runs = [xid for at, xid in enumerate(transactions) if at == 0 or transactions[at - 1] != xid]

    assert len(runs) > len(set(runs)), "no transaction's rows were interleaved with another's"


def test_bounds_hold(site: str) -> None:
    """The site does not grow beyond its bounds, but for what one scene or open transaction adds."""
    play(site, seed=2, steps=400, bounds=Bounds(entries=300, crucibles=12))

    with psycopg.connect(site) as connection:
        assert one(connection, 'SELECT count(*) FROM "CrucibleEntry"') < 300 + 1_500
        assert one(connection, 'SELECT count(*) FROM "Crucible"') < 12 + 6


def test_rate_is_kept(site: str) -> None:
    """A run takes its time and makes about as many changes as the rate says."""
    with Simulator(site, rate=300) as simulator:
        before = simulator.tally.changes
        began = time.monotonic()
        changes = simulator.run(3.0).changes - before
        took = time.monotonic() - began

    assert took < 30
    assert 300 <= changes <= 3_000


def test_impossible_rate_is_refused(site: str) -> None:
    """A rate of nothing is an error that says what was given."""
    with pytest.raises(ValueError, match="was 0"):
        Simulator(site, rate=0)


def test_process_ends_on_sigterm_with_its_account(site: str, folder: Path) -> None:
    """Asked to end, the simulator's process ends what is open and prints what it did."""
    program = OwnProgram(
        "simulator", ("-m", "demo.simulator", "--seconds", "600"), folder, {"CRUCIBLE_POSTGRES__DSN": site}
    )
    program.start()
    try:
        program.await_word(30)
        code = program.stop(20)
    finally:
        program.kill()
    last = json.loads(program.log.read_text().splitlines()[-1])

    assert code == 0, program.last_words()
    assert last["state"] == "done"
    with psycopg.connect(site) as connection:
        assert sum(sum(ops.values()) for ops in last["committed"].values()) == one(
            connection, "SELECT count(*) FROM site_change_log"
        )


def _counts(connection: psycopg.Connection[tuple[object, ...]], table: str) -> dict[str, int]:
    query = "SELECT op::text, count(*) FROM site_change_log WHERE tbl = %s GROUP BY op"
    return dict(connection.execute(query, (table,)).fetchall())  # type: ignore[arg-type]
