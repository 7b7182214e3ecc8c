"""What a plan leaves behind has waited on."""

from watcher.model.drain_plan import make_plan
from watcher.model.vote import LoggedVote
from watcher.votes.drain import _behind


def _log(*times: int) -> list[LoggedVote]:
    return [LoggedVote(1, seq, 7, 8, 3, ms, 1516, 1484) for seq, ms in enumerate(times, 1)]


def _left(heads: dict[int, list[LoggedVote]], most: int, *, whole: bool = True) -> int | None:
    plan = make_plan(heads, most)
    assert plan is not None
    return _behind(plan, heads, whole=whole, most=most)


def test_a_plan_of_everything_leaves_nothing() -> None:
    """Every log was read to its end."""
    assert _left({42: _log(10, 20), 50: []}, 100) is None


def test_the_first_vote_that_a_plan_does_not_reach_is_the_oldest() -> None:
    """A log whose turn did not come waits with all it has."""
    assert _left({42: _log(10, 20), 50: _log(15, 30)}, 3) == 20
    assert _left({42: _log(10, 20), 50: _log(15)}, 2) == 15


def test_votes_that_nobody_read_are_no_older_than_the_last_one_read() -> None:
    """A backlog is longer than a plan, so its age is not zero after each plan."""
    assert _left({42: _log(10, 20)}, 2) == 20


def test_logs_that_nobody_looked_at_may_be_as_old() -> None:
    """Until their turn comes, the oldest vote seen stands for them."""
    assert _left({42: _log(10, 20)}, 2, whole=False) == 10
