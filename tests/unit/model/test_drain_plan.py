"""A drain plan names votes so that whoever carries it out writes the same rows."""

from hypothesis import given
from hypothesis import strategies as st

from watcher.model.drain_plan import MAX_RANGES, DrainPlan, event_rows, make_plan, plan_from_text, vote_rows, votes_of
from watcher.model.metric_columns import SOURCE_ID
from watcher.model.metric_rows import month
from watcher.model.vote import LoggedVote

DAY_MS = 86_400_000


def vote(epoch: int, seq: int, ms: int = 1_760_000_000_000) -> LoggedVote:
    return LoggedVote(epoch, seq, 7, 8, 3, ms, 1516, 1484)


@st.composite
def logs(draw: st.DrawFn) -> dict[int, list[LoggedVote]]:
    """Heads of some logs: numbers rise, with gaps where votes were trimmed, in one epoch or two; time goes on."""
    heads = {}
    for crucible_id in draw(st.lists(st.integers(1, 50), unique=True, max_size=6)):
        votes, ms = [], draw(st.integers(1_700_000_000_000, 1_700_000_000_000 + 90 * DAY_MS))
        for epoch in range(1, draw(st.integers(1, 2)) + 1):
            seq = draw(st.integers(0, 5))
            for step in draw(st.lists(st.sampled_from([1, 1, 1, 2]), max_size=8)):
                seq += step
                ms += draw(st.sampled_from([1, 1_000, DAY_MS]))
                votes.append(vote(epoch, seq, ms))
        heads[crucible_id] = votes
    return heads


@given(logs(), st.integers(1, 30))
def test_a_plan_takes_the_oldest_votes_of_one_month(heads: dict[int, list[LoggedVote]], most: int):
    """From each log its first votes and no other, no more than asked for, all of the month of the first log's first."""
    plan = make_plan(heads, most)
    everything = [one for votes in heads.values() for one in votes]
    if not everything:
        assert plan is None
        return
    assert plan is not None
    named: dict[int, list[tuple[int, int]]] = {}
    for part in plan.ranges:
        named.setdefault(part.crucible_id, []).extend((part.epoch, seq) for seq in range(part.first, part.last + 1))
    turn = next(votes[0].ms for votes in heads.values() if votes)

    assert 1 <= plan.votes <= most
    for crucible_id, places in named.items():
        first = heads[crucible_id][: len(places)]
        assert [(one.epoch, one.seq) for one in first] == places
        assert {month(one.ms) for one in first} == {month(turn)}
        assert votes_of(plan, heads)[crucible_id] == first
    assert votes_of(plan, heads).keys() == named.keys()


def test_a_log_of_a_later_month_gets_its_turn():
    """The clock was set back over the end of a month: votes of the earlier one come on and on in another log."""
    later, earlier = vote(1, 1, 1_767_225_600_000), vote(1, 1, 1_767_225_599_999)

    named = [make_plan({turn: [later] if turn == 42 else [earlier], 43: [earlier]}, 100) for turn in (42, 43)]
    assert [[part.crucible_id for part in plan.ranges] for plan in named if plan] == [[42], [43]]


@given(logs())
def test_the_same_plan_is_the_same_text_token_and_rows(heads: dict[int, list[LoggedVote]]):
    """Read back from Redis it is equal; its rows differ from each other, and from those of any other vote."""
    plan = make_plan(heads, 1_000)
    if plan is None:
        return
    back = plan_from_text(plan.text)

    assert back == plan
    assert back is not None
    assert (back.text, back.token) == (plan.text, plan.token)
    assert len({row[SOURCE_ID] for row in event_rows(heads)}) == len(event_rows(heads))
    assert len({(row[0], row[5], row[6]) for row in vote_rows(heads)}) == len(vote_rows(heads))


def test_plans_that_differ_have_tokens_that_differ():
    """A vote more, another crucible or another epoch is another insert."""
    plans = [make_plan({crucible: [vote(epoch, 1), *rest]}, 10) for crucible, epoch, rest in (
        (42, 1, []), (42, 2, []), (43, 1, []), (42, 1, [vote(1, 2)])
    )]  # fmt: skip

    assert len({plan.token for plan in plans if plan}) == len(plans)


def test_a_plan_of_very_many_crucibles_is_bounded():
    """Its text stays small; the others' turn comes with the next plan."""
    plan = make_plan({crucible: [vote(1, 1)] for crucible in range(1, MAX_RANGES + 500)}, 100_000)

    assert isinstance(plan, DrainPlan)
    assert len(plan.ranges) == MAX_RANGES
    assert len(plan.text) < 100_000


def test_a_foreign_text_is_no_plan():
    """Whatever lies there is not carried out."""
    assert [plan_from_text(text) for text in (b"", b"{}", b'{"plan":2,"ranges":[]}', b'{"plan":1,"ranges":[[1]]}')] == [
        None
    ] * 4
