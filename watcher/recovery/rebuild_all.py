"""Rebuilds every crucible that takes votes, and goes on where an interrupted run was if that still stands."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from watcher.model.errors import TemporaryError
from watcher.postgres.own import rebuild_run
from watcher.postgres.session import Session
from watcher.postgres.site.contests import unfinished
from watcher.recovery.progress_listener import ProgressListener
from watcher.recovery.rebuild import Rebuilt
from watcher.recovery.verifier import Comparison, Verifier

OpenSession = Callable[[], AbstractContextManager[Session]]


def rebuild_all(
    verifier: Verifier,
    open_session: OpenSession,
    *,
    replayed: bool,
    giving_up: bool = False,
    anew: bool,
    begun: Callable[[int, int, rebuild_run.RebuildRun], None],
    progress: ProgressListener,
) -> Iterator[Rebuilt]:
    """Rebuild all crucibles that are not finished, in the order of their ids.

    Args:
        verifier: rebuilds them.
        open_session: connects to PostgreSQL, which keeps how far the run is.
        replayed: cast all votes again, and compare.
        giving_up: also where Redis alone has votes that were counted; they count no more.
        anew: begin at the first one, whatever an interrupted run has done.
        begun: told how many there are, how many of those an interrupted run has done, and which run this is.
        progress: told how far each is.

    Raises:
        TemporaryError: a neighbour is away; a run that is started again goes on here.
        ReplayDiffersError: a replay gives other ratings.
        VotesOnlyInRedisError: ClickHouse lacks votes of one that Redis has counted; a run that is started again goes on
            there.
    """
    with open_session() as session:
        everything = unfinished(session)
        run = rebuild_run.begin(session, verifier.identity(everything), replay=replayed, anew=anew)
    left = [one for one in everything if one > run.done_to]
    begun(len(everything), len(everything) - len(left), run)
    for crucible_id in left:
        done = verifier.rebuild(crucible_id, replayed=replayed, giving_up=giving_up, progress=progress)
        if done is Comparison.BUSY:
            raise TemporaryError(f"crucible {crucible_id} is being compared by another process; run this again")
        with open_session() as session:
            rebuild_run.note(session, run, crucible_id)
        if isinstance(done, Rebuilt):
            yield done
    with open_session() as session:
        rebuild_run.end(session, run)
