"""The audit of votes agrees with stores that are right, and sees each way in which they can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.audit import AuditReport, Kind, audit
from demo.judges.ledger import Cast, JudgesLedger, ServedImage
from demo.simulator import Simulator
from tests.demo.perfect_watcher import bring_over
from tests.demo.votes import EVENTS, cast_votes, identity, store

if TYPE_CHECKING:
    from pathlib import Path

    from demo.places import Places
    from tests.demo.conftest import NewSite


@pytest.fixture
def site(new_site: NewSite) -> str:
    """A site that has lived a little."""
    return new_site(lived=(4, 60))


@pytest.fixture
def voted(places: Places, folder: Path) -> tuple[Places, list[Cast], Path]:
    """Its votes are right in every place, and there is a ledger of those who cast them."""
    bring_over(places)
    answers = folder / "answers.jsonl"
    return places, cast_votes(places, answers), answers


def places_of(report: AuditReport) -> set[str]:
    """Where something is wrong; crucibles left out."""
    return {finding.where.partition(" of ")[0] for finding in report.findings}


def test_right_votes_pass(voted: tuple[Places, list[Cast], Path]) -> None:
    """Nothing is found, and the votes are counted."""
    places, votes, answers = voted
    report = audit(places, answers)

    assert report.ok, str(report)
    assert report.votes == len(votes) == 30


def test_vote_lost_in_clickhouse_is_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """The last vote's row is gone: it was answered, its number is missing, and what comes of it is off."""
    places, votes, answers = voted
    places.clickhouse.command(f"ALTER TABLE crucible_entry_rating DELETE WHERE vote_seq = {votes[-1].seq}")

    report = audit(places, answers)
    assert report.lost == 1
    assert places_of(report) >= {
        "answered votes",
        "redis",
        "redis votes",
        "vote events",
        "metric_totals",
        "entry_rating",
    }


def test_a_crucible_that_was_rebuilt_passes(voted: tuple[Places, list[Cast], Path]) -> None:
    """Its numbers begin anew with a new epoch; within the old one they do not."""
    places, votes, answers = voted
    state = f"{{crucible:{votes[0].crucible}:elo}}:state"
    places.redis.hset(state, mapping={"epoch": 2, "seq": 0})
    assert audit(places, answers).ok

    places.redis.hset(state, "epoch", "1")
    assert places_of(audit(places, answers)) == {"redis"}


def test_vote_stored_twice_is_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """One row once more: its number is there twice."""
    places, votes, answers = voted
    again = votes[10]
    row = (*again[:3], again.winner, again.loser, again.user, again.winner_elo, again.loser_elo)
    columns = ("crucible_id", "vote_epoch", "vote_seq", "winner_entry_id", "loser_entry_id", "user_id")
    places.clickhouse.insert("crucible_entry_rating", [row], column_names=(*columns, "winner_elo", "loser_elo"))

    report = audit(places, answers)
    assert report.twice == 1
    assert "votes" in places_of(report)


def test_event_counted_twice_is_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """One metric event once more: an identity occurs twice, and the totals are off."""
    places, votes, answers = voted
    one = votes[3]
    when = places.clickhouse.query(
        "SELECT max(createdAt) FROM entityMetricEvents WHERE metricType = 'Vote'"
    ).result_rows[0][0]
    event = ("Crucible", one.crucible, one.user, "Vote", 1, when, "vote", one.crucible, one.seq, identity(one), 0)
    places.clickhouse.insert("entityMetricEvents", [event], column_names=EVENTS)

    report = audit(places, answers)
    assert report.twice == 1
    assert places_of(report) == {"identities", "vote events", "metric_totals", "metric_daily", "metric_hourly"}


def test_vote_nobody_cast_is_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """A vote that is in every store, but that no judge was told of."""
    places, votes, answers = voted
    last = votes[-1]
    kept = answers.read_text().splitlines(keepends=True)
    answers.write_text("".join(kept[:-1]))

    report = audit(places, answers)
    assert [(finding.kind, finding.where) for finding in report.findings] == [(Kind.TWICE, "answered votes")]
    assert str(last.seq) in report.findings[0].what


def test_wrong_rating_is_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """A rating in Redis that is off by one point, and then one in the standings."""
    places, votes, answers = voted
    crucible, winner = votes[-1].crucible, votes[-1].winner
    places.redis.hincrby(f"crucible:{crucible}:elo", str(winner), 1)
    assert places_of(audit(places, answers)) == {"redis"}

    places.redis.hincrby(f"crucible:{crucible}:elo", str(winner), -1)
    places.redis.zincrby(f"{{crucible:{crucible}:elo}}:standings", 1, f"{0:015d}:{winner:010d}")
    assert places_of(audit(places, answers)) == {"standings"}


def test_wrong_count_and_waiting_votes_are_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """A vote count that is off, and a vote that never left Redis' log."""
    places, votes, answers = voted
    tag = f"{{crucible:{votes[0].crucible}:elo}}:"
    places.redis.hincrby(f"{tag}votes", str(votes[0].winner), 1)
    places.redis.xadd(f"{tag}log", {"w": 1})

    assert places_of(audit(places, answers)) == {"redis votes", "vote log"}


def test_rating_that_breaks_the_formula_is_found(places: Places, site: str) -> None:
    """A vote whose recorded ratings are not those of the formula, though every store agrees with it."""
    Simulator(site, seed=4).close()
    bring_over(places)
    store(places, [Cast(1, 1, 1, 1, 2, 9, 1517, 1483)])

    assert "vote ratings" in places_of(audit(places))


def test_broken_word_and_forbidden_image_are_found(voted: tuple[Places, list[Cast], Path]) -> None:
    """What judges report: a repeat answered otherwise, and an image that nobody may be shown."""
    places, _, answers = voted
    hidden = places.postgres.execute('SELECT url FROM "Image" WHERE "nsfwLevel" = 0 LIMIT 1').fetchone()
    adult = places.postgres.execute(
        """SELECT url FROM "Image" WHERE "nsfwLevel" = 16 AND ingestion = 'Scanned' AND NOT "tosViolation"
           AND "needsReview" IS NULL AND "blockedFor" IS NULL LIMIT 1"""
    ).fetchone()
    users = """SELECT max(id) FROM "User" WHERE "browsingLevel" IN (1, 31) GROUP BY "browsingLevel"
               ORDER BY "browsingLevel\""""
    young, grown = (row[0] for row in places.postgres.execute(users))
    assert hidden
    assert adult
    ledger = JudgesLedger(answers)
    ledger.broken("a repeat was answered otherwise")
    ledger.shown(*(ServedImage(user, 1, f"http://images/{adult[0]}") for user in (grown, young)))
    ledger.shown(ServedImage(grown, 1, f"http://images/{hidden[0]}"))
    ledger.close()

    found = [(finding.where, finding.kind) for finding in audit(places, answers).findings]
    assert found == [("answers", Kind.WRONG), ("images", Kind.WRONG), ("images", Kind.WRONG)]
