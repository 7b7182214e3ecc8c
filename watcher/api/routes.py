"""Every route, once: what it takes, what it answers, which problems it has.

The router, the guard and the OpenAPI document are all made from this table.
"""

from typing import Any, Final

import msgspec

from watcher.api.http.guard import Param
from watcher.api.resources.bodies import (
    LARGEST_ID,
    CommentsAnswer,
    CrucibleAnswer,
    EntryAnswer,
    HistoryAnswer,
    JudgeAnswer,
    PairAnswer,
    StandingsAnswer,
    StandingsEvent,
    VoteAnswer,
    VoteBody,
)
from watcher.api.resources.entries import CURSOR
from watcher.api.resources.standings import AT_MOST

CRUCIBLE: Final = Param(name="id", what="Id of the crucible.", least=1, most=LARGEST_ID, in_path=True)
ENTRY: Final = Param(name="entryId", what="Id of the entry.", least=1, most=LARGEST_ID, in_path=True)
LEVEL: Final = Param(
    name="browsingLevel",
    what="Levels that are wanted, as flags: PG 1, PG13 2, R 4, X 8, XXX 16. Left out: all that the asker may see. Only "
    "what the asker's account and the crucible allow as well is shown.",
    least=0,
    most=63,
)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route."""

    name: str
    """What its handler is called where routes are put together, and the operation's id."""
    method: str
    path: str
    summary: str
    detail: str = ""
    params: tuple[Param, ...] = ()
    body: Any = None
    answer: Any = None
    events: bool = False
    """It answers with a stream of server-sent events, each of the type ``answer``."""
    problems: tuple[str, ...] = ()
    """Codes besides those that every route has."""
    votes: bool = False
    """It counts against the limit of votes, and sees to that limit itself."""
    tagged: bool = False
    """Its answer has an entity tag."""


EVERYWHERE: Final = (
    "bad_request", "no_token", "bad_token", "token_expired", "user_unknown", "rate_limited", "keys_away",
    "postgres_away", "redis_away", "overloaded", "internal",
)  # fmt: skip
"""Codes that every route may answer with."""
OF_A_CRUCIBLE: Final = ("unknown_crucible", "absent", "unverified", "rebuilding")

ROUTES: Final = (
    Route(
        name="vote",
        method="POST",
        path="/v1/crucibles/{id}/votes",
        summary="Vote on a pair",
        detail="The same vote sent again gets the same answer and counts once, also after the token expired, the "
        "crucible ended or the limit was reached: whoever lost the answer just asks again.",
        params=(CRUCIBLE,),
        body=VoteBody,
        answer=VoteAnswer,
        problems=(
            *OF_A_CRUCIBLE,
            "bad_json",
            "body_too_large",
            "wrong_media_type",
            "user_banned",
            "user_muted",
            "user_deleted",
            "judge_requirement_unmet",
            "judge_requirement_unknown",
            "pair_token_missing",
            "pair_token_malformed",
            "pair_token_forged",
            "pair_token_foreign",
            "pair_token_expired",
            "same_entry",
            "unknown_entry",
            "not_admitted",
            "own_entry",
            "judged_otherwise",
            "not_active",
            "not_started",
            "ended",
            "backlog",
        ),
        votes=True,
    ),
    Route(
        name="pair",
        method="GET",
        path="/v1/crucibles/{id}/pair",
        summary="The next pair to judge",
        detail="Two entries that the asker has not judged and does not own, on random sides, with the token that a "
        "vote needs.",
        params=(CRUCIBLE, LEVEL),
        answer=PairAnswer,
        problems=(
            *OF_A_CRUCIBLE,
            "user_banned",
            "user_muted",
            "user_deleted",
            "level_not_allowed",
            "all_judged",
            "no_pair",
            "not_active",
            "not_started",
            "ended",
        ),
    ),
    Route(
        name="standings",
        method="GET",
        path="/v1/crucibles/{id}/standings",
        summary="Who leads",
        detail="Rating decides, then age, then id. Answers have an entity tag: send it in `If-None-Match`.",
        params=(
            CRUCIBLE,
            Param(name="offset", what="Entries to pass over.", most=10_000_000, default=0),
            Param(name="limit", what="Entries at most.", least=1, most=AT_MOST, default=50),
        ),
        answer=StandingsAnswer,
        problems=OF_A_CRUCIBLE,
        tagged=True,
    ),
    Route(
        name="stream",
        method="GET",
        path="/v1/crucibles/{id}/stream",
        summary="The top of the standings, as it changes",
        detail="Server-sent events named `standings`. A slow client misses what was overtaken. A comment comes after "
        "15 s of silence. It ends when the crucible is final, the token expires or the server stops.",
        params=(CRUCIBLE,),
        answer=StandingsEvent,
        events=True,
        problems=(*OF_A_CRUCIBLE, "too_many_streams", "stopping"),
    ),
    Route(
        name="entry",
        method="GET",
        path="/v1/crucibles/{id}/entries/{entryId}",
        summary="One entry",
        params=(CRUCIBLE, ENTRY, LEVEL),
        answer=EntryAnswer,
        problems=(*OF_A_CRUCIBLE, "unknown_entry"),
    ),
    Route(
        name="history",
        method="GET",
        path="/v1/crucibles/{id}/entries/{entryId}/history",
        summary="How an entry's rating went",
        detail="From the stored votes: those of the last second may be missing, those of more than 90 days ago are.",
        params=(
            CRUCIBLE,
            ENTRY,
            Param(name="points", what="Points at most.", least=2, most=1_000, default=200),
        ),
        answer=HistoryAnswer,
        problems=(*OF_A_CRUCIBLE, "unknown_entry", "clickhouse_away"),
    ),
    Route(
        name="comments",
        method="GET",
        path="/v1/crucibles/{id}/entries/{entryId}/comments",
        summary="What is said about an entry's image",
        detail="Comments and replies as plain text, most reactions first.",
        params=(
            CRUCIBLE,
            ENTRY,
            LEVEL,
            Param(name="cursor", what="`next` of the page before.", kind=str, most=40, pattern=CURSOR),
            Param(name="limit", what="Comments at most.", least=1, most=100, default=20),
        ),
        answer=CommentsAnswer,
        problems=(*OF_A_CRUCIBLE, "unknown_entry", "level_not_allowed"),
    ),
    Route(
        name="crucible",
        method="GET",
        path="/v1/crucibles/{id}",
        summary="A crucible",
        params=(CRUCIBLE,),
        answer=CrucibleAnswer,
        problems=OF_A_CRUCIBLE,
    ),
    Route(
        name="judge",
        method="GET",
        path="/v1/judges/me",
        summary="The asker as a judge",
        answer=JudgeAnswer,
        problems=("clickhouse_away",),
    ),
)
"""The routes; what is asked most comes first."""
