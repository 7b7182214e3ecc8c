"""Score checkpoints as the role that settles: what it may write, and that nobody else may."""

from functools import partial

import pytest

from stack import Stack
from tests import site_database
from tests.entries.site import Site
from tests.settlement.endings import Endings
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.session import open_session
from watcher.postgres.site.checkpoints import write_scores


def test_who_settles_may_write_scores_until_the_end(endings: Endings) -> None:
    """With the rights of the shipped file: while the crucible goes on, and not once its end was acted upon."""
    crucible = endings.crucible()
    first, second = endings.enter(crucible, [None, None])
    with endings.open_session() as session:
        assert write_scores(session, crucible, [(first, 1_516, 1)]) is None  # nobody has noted it yet
        endings.turn()
        assert write_scores(session, crucible, [(first, 1_516, 1), (second, 1_484, 1)]) == 2
        assert write_scores(session, crucible, [(first, 1_516, 1), (second, 1_470, 2)]) == 1
        endings.end(crucible)
        endings.turn()
        result = endings.table(crucible)
        assert write_scores(session, crucible, [(first, 1_700, 9)]) is None

    assert endings.table(crucible) == result
    assert endings.status(crucible) == "Completed"


def test_the_watcher_s_role_may_not(parts: Stack, site: Site, endings: Endings) -> None:
    """The control: processes that face the public and the change stream write nothing of the site's."""
    crucible = endings.crucible()
    (entry,) = endings.enter(crucible, [None])
    endings.turn()
    dsn = site_database.as_role(str(parts.endpoints.postgres_dsn), site_database.WATCHER_ROLE)
    open_watcher = partial(open_session, dsn, site.schema)

    with open_watcher() as session, pytest.raises(PostgresRefusedError):
        write_scores(session, crucible, [(entry, 1_516, 1)])
