"""What Redis shows of some crucibles, and what it should show."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.change_events import contest
from watcher.model.effects import CrucibleGone, CrucibleState, EntryGone, EntryState, ReconcileNeeded, StateEffect
from watcher.model.prizes import paid_places
from watcher.model.rating import BASE_RATING
from watcher.model.row_state import FINISHED, RowStates, arguments
from watcher.redis import keys
from watcher.redis.scripts import ROW_STATE
from watcher.redis.sink import row_keys

Change = tuple[int, StateEffect]
"""Log position and state."""


def state(crucible_id: int, status: str = "Active", **columns: Any) -> CrucibleState:
    """A crucible as its row shows it."""
    row = contest(id=crucible_id, status=status, **columns)
    return CrucibleState(
        crucible_id=row.id,
        user_id=row.user_id,
        name=row.name,
        status=row.status,
        nsfw_level=row.nsfw_level,
        start_at=row.start_at,
        end_at=row.end_at,
        judge_requirements=row.judge_requirements,
        places=paid_places(row.prize_positions),
    )


@dataclass
class Poll:
    """What a poll comes to."""

    states: RowStates = field(default_factory=RowStates)
    reconcile: list[ReconcileNeeded] = field(default_factory=list)


def folded(changes: Iterable[Change]) -> RowStates:
    """One poll's changes."""
    poll = Poll()
    for lsn, effect in changes:
        whole, part = effect.pack(lsn, poll)
        whole.extend(part)
    return poll.states


def apply(client: redis.Redis, changes: Iterable[Change], *, history: int = 1, script: str = "") -> list[int]:
    """Run the script as the sink does, or another one in its place; returns rows applied and rows too old."""
    text = script or ROW_STATE.text
    answers = [
        client.eval(text, 3, *row_keys(crucible_id), history, *arguments({crucible_id: change}))  # type: ignore[arg-type]
        for crucible_id, change in folded(changes).items()
    ]
    return [sum(column) for column in zip(*(answer[:2] for answer in answers), strict=True)] if answers else [0, 0]  # type: ignore[index]


@dataclass
class Shown:
    """One crucible, freed of marks: who is in it with what rating, and what lives for how long."""

    row: dict[str, Any] | None = None
    parts: dict[str, str] = field(default_factory=dict)
    """The row once more, in parts for the scripts."""
    entries: dict[int, dict[str, int]] = field(default_factory=dict)
    ratings: dict[int, int] = field(default_factory=dict)
    expires: bool = False


def shown(client: redis.Redis, crucible_id: int) -> Shown:
    """What Redis shows; checks that everything of the crucible lives equally long."""
    state: dict[str, str] = client.hgetall(keys.state(crucible_id))  # type: ignore[assignment]
    names = [keys.elo(crucible_id), *client.scan_iter(f"{keys.tag(crucible_id)}*", count=1000)]
    lives = {client.ttl(key) > 0 for key in names if client.exists(key)}  # type: ignore[operator]
    assert len(lives) <= 1, "some keys of the crucible expire and some do not"
    entries: dict[str, str] = client.hgetall(keys.entries(crucible_id))  # type: ignore[assignment]
    ratings: dict[str, str] = client.hgetall(keys.elo(crucible_id))  # type: ignore[assignment]
    return Shown(
        row=json.loads(state["row"]) if state.get("row") else None,
        parts={name: state[name] for name in PARTS if name in state},
        entries={int(one): json.loads(row[30:]) for one, row in entries.items() if row[30:]},
        ratings={int(one): int(rating) for one, rating in ratings.items()},
        expires=lives == {True},
    )


def expected(changes: Iterable[Change], crucible_id: int) -> Shown:
    """What the latest change of each row says; the order of delivery does not enter.

    Holds for crucibles that are present from the start; of absent ones nothing is shown.
    """
    latest: dict[int | None, tuple[int, StateEffect]] = {}
    for lsn, effect in changes:
        if effect.crucible_id == crucible_id:
            row = effect.entry_id if isinstance(effect, EntryState | EntryGone) else None
            if row not in latest or latest[row][0] < lsn:
                latest[row] = (lsn, effect)
    if None not in latest:
        return Shown()
    own = latest.pop(None)[1]
    told = Shown(expires=not isinstance(own, CrucibleState) or own.status in FINISHED)
    told.parts = dict.fromkeys(PARTS, "")
    if isinstance(own, CrucibleState):
        told.row = {
            "user": own.user_id, "name": own.name, "status": own.status, "level": own.nsfw_level,
            "start": own.start_at, "end": own.end_at, "judges": own.judge_requirements, "places": own.places,
        }  # fmt: skip
        told.parts = {name: str(told.row[name]) for name in PARTS}
    for _, effect in latest.values():
        if isinstance(effect, EntryState):
            told.entries[effect.entry_id] = {
                "user": effect.user_id, "image": effect.image_id, "created": effect.created_at,
            }  # fmt: skip
            told.ratings[effect.entry_id] = BASE_RATING
    return told


def contents(client: redis.Redis) -> dict[str, tuple[object, bool]]:
    """Every key with what it holds, and whether it expires."""
    read = {
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
        "string": client.get,
    }
    found = sorted(client.scan_iter(count=1000))
    return {key: (read[str(client.type(key))](key), client.ttl(key) != -1) for key in found}


PARTS = ("status", "start", "end", "level")

__all__ = ["Change", "CrucibleGone", "apply", "contents", "expected", "folded", "shown", "state"]
