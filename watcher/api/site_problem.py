"""What clients are told when the site's database does not answer."""

from watcher.api.http.problem import ProblemError
from watcher.model.errors import RefusedError, TemporaryError
from watcher.postgres.pool import PoolBusyError


def site_problem(error: TemporaryError) -> ProblemError:
    """Return ``overloaded`` or ``postgres_refuses`` where the database is there, else ``postgres_away``."""
    if isinstance(error, PoolBusyError):
        return ProblemError("overloaded")
    return ProblemError("postgres_refuses" if isinstance(error, RefusedError) else "postgres_away")
