"""What clients are told when the site's database does not answer."""

from watcher.api.http.problem import ProblemError
from watcher.model.errors import TemporaryError
from watcher.postgres.pool import PoolBusyError


def site_problem(error: TemporaryError) -> ProblemError:
    """Return ``overloaded`` where too much is asked of the database, which is there; else ``postgres_away``."""
    return ProblemError("overloaded" if isinstance(error, PoolBusyError) else "postgres_away")
