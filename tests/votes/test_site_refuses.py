"""A table that is missing holds up the verifier and nothing else."""

import pytest

from tests.votes.world import VoteWorld
from watcher.bootstrap.clients import site_session
from watcher.model.errors import TemporaryError
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.site.contests import unfinished


def test_a_missing_table_is_waited_for(world: VoteWorld) -> None:
    """With the file to run in the message; a command is told at once instead, and once it is there all goes on."""
    crucible = world.crucible()
    with world.site() as site:
        site.execute('ALTER TABLE "Crucible" RENAME TO elsewhere')
        try:
            with pytest.raises(TemporaryError, match=r"debezium/postgres/watcher\.sql"):
                world.keep(crucible)
            with pytest.raises(PostgresRefusedError), site_session(world.settings()) as session:
                unfinished(session, "Active")
        finally:
            site.execute('ALTER TABLE elsewhere RENAME TO "Crucible"')

    world.keep(crucible)
    assert world.vote(crucible, votes=5) == 5
