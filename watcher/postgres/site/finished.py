"""Which crucibles have finished, from the site's own table."""

from watcher.model.row_state import FINISHED
from watcher.postgres.session import Session


def lately_finished(session: Session, seconds: int) -> list[int]:
    """Ids of crucibles that may have finished within so many seconds; ascending, and a few too many.

    A row does not say when its status changed: its end may lie ahead, if it was cancelled, or long ago, if it was
    closed late. Whoever closes it by SQL alone may leave ``updatedAt`` as it was.
    """
    rows = session.run(
        'SELECT id FROM public."Crucible" WHERE status::text = ANY(%s) AND '
        """greatest("endAt", "updatedAt") > now() AT TIME ZONE 'UTC' - make_interval(secs => %s) ORDER BY id""",
        sorted(FINISHED),
        seconds,
    )
    return [row[0] for row in rows]
