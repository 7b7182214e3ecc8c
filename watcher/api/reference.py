"""The page of the documentation about the API, written from the routes and problems themselves."""

from watcher.api.http.problem import TYPE, problem_table
from watcher.api.routes import ROUTES
from watcher.model.entry_verdict import SENTENCES

INTRODUCTION = """\
# The vote API

This page is generated: `make docs`. The contract is [openapi.json](openapi.json), OpenAPI 3.1, also served at
`/openapi.json`; both are made from the types that requests and answers are coded by.

Start it with `crucible run --role api`. It needs `api.issuer`, `api.audience`, `api.pair_secrets`, and one of
`api.hs256_secrets` and `api.jwks`; without them it exits with 78 and names what is missing. Probes and metrics are on
the operations port, as of every role.

## Who may

Every route below `/v1` wants `Authorization: Bearer <JWT>`. `iss`, `aud`, `exp` and `sub` are needed, `sub` is the
number of a user, the algorithm is HS256 or RS256 and has to be the one of the key that signs. Three claims are looked
at besides: `verified` (true or false, for crucibles that ask for verified judges), `browsingLevel` (flags) and
`showNsfw`. The last two narrow what the user's row allows and widen nothing; one of another type is refused. Keys of
RS256 are read again every five minutes; a set that cannot be read for an hour is trusted no more. Whether a user is
banned, muted or gone is asked of the site every 10 s; while the site's database does not answer, nobody gets in.
Streams are looked at again as well: they end within seconds once their user is banned or their key is withdrawn.
A token may have 8,192 bytes, or what `api.token_limit` says. Pages of the origins in `api.cors_origins` may send the
headers that are read here and those in `api.cors_headers`, by default what tools for tracing add to every request.
A wish for another protocol (`Upgrade: h2c`, as Java's `HttpClient` has it) is ignored.

What somebody sees of images and comments is what is asked for, and the account allows, and the crucible has: the
flags PG 1, PG13 2, R 4, X 8, XXX 16. An account that does not show NSFW sees PG alone,
and who sees PG alone is shown no comment that is marked as not safe for work.

## Limits

Each user has `api.votes_per_minute` votes and `api.reads_per_minute` other requests a minute, which may come at once.
`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-11. The count is kept in Redis for
all processes. What is under way counts: one process holds the limit exactly, and each further one adds what it answers
of a user, 16 at a time, before it hears of the others. Further requests wait for their turn; 256 may, and beyond that
it is 429 `rate_limited`. Without Redis each process counts for itself.

**A repeated vote is never charged, and the first repeat of a vote is never refused for a limit.** What counts no vote,
which is further repeats and refused votes, is bounded in each process: five times the votes of a minute, 300 at least.

The site's database is shared out among those who ask: a user has half of its connections at most, and waits behind one
question of each other user. Where too many wait, whoever has most of them is answered 503 `overloaded`, and nobody else
is; `postgres_away` is said when the database does not answer. A user has eight streams; where a process has no room for
another, one of whoever has most of them ends.

HEAD is answered wherever GET is. A request names one host, or is 400 `bad_request` and the end of its connection; so is
what is no HTTP. A connection may have 75 s between two requests, and ten for each of them to arrive and for each answer
to be taken. Where all of `api.connections` are taken, the one that has waited longest for its client is closed.

## Voting

1. `GET .../pair` answers two entries and a `token`, and as `following` the pair after it.
2. `POST .../votes` with `{"winner": ..., "loser": ..., "token": ...}` counts it, or `POST .../skips` with `{"token":
   ...}` passes the pair on. Both answer the next `pair` and its `following`, so nothing has to be asked in between.

Two pairs are open to a judge at a time, in this order. The same ones are answered until the first is judged or
skipped, or one of their images may not be shown any more, whichever process is asked. The token of the second counts
once the first is done; before, it is `pair_token_early`, and that of any other pair is `pair_token_stale`: ask for the
pair. Three pairs may be skipped at once, and one more for every third that is judged; `skipsLeft` tells how many, and
beyond it there is 429 `skips_exhausted`. A skipped pair does not come again. After half of its life a token is signed
anew, for the same pair.

Where the open pairs of a judge are lost, with Redis or after a week, any pair token that has not expired is taken once
more, and the next `GET` opens new pairs.

If the answer is lost, send the same vote again: it counts once, and the answer is the same, also after the token
expired, the crucible ended or the limit was reached. A 503 has `Retry-After` and means that nothing was refused: ask
again. The other way round is 409 for ever. ClickHouse keeps a vote's time in seconds, and not its gain: after a rebuild
from there `votedAt` is told in whole seconds, and `delta` may be a point less than it was; ratings are the same.

Answers never hold the id of a voter. The answer with a pair does not say who made the images, how they are rated or
how often they were voted on.

## Entering

`POST .../entries/check` with `{"imageId": ...}` tells before an entry is made what it would come to, by the function
that decides about entries, and what it would cost. `GET .../entries/mine` tells how the asker's entries stand. Both
give their [reasons](#reasons-of-entries) by codes with a sentence for people. Of what somebody else's image is like
nothing is told.

## What is told of standings

Standings sway judges. `api.standings` says when they are told while a crucible takes votes: standings and stream, an
entry's place, rating, votes and history, and what a vote came to. Once votes are over everybody is told everything.

| `api.standings` | what |
|---|---|
| `live` | everything is told |
| `after_vote` | everything to who has voted in the crucible |
| `at_end` | nothing, and the answer to a vote has `null` for ratings and points |

Before that, standings and history answer 403 with `standings_after_vote` or `standings_at_end`, an entry has `null` for
place, rating and votes, and the stream has no event `standings`.

Under each of them nobody is told how the two entries of their own open pair stand, until it is judged or skipped: they
are left out of standings and stream, an entry has no place, rating or votes, and its history is 403 `pair_open`. Where
one of a vote's entries is in the pair that is open next, its answer has neither ratings nor points.

## Standings as they change

`GET .../stream` answers server-sent events. `EventSource` cannot send a token: read the body with `fetch`. Those
named `standings` hold the first 100 places. Those named `ending` come once votes are over, and whenever more is known
of how the crucible ends: `frozen`, `settling`, then `completed` with podium, prizes and proof, or `cancelled`; then the
stream ends. `GET /v1/crucibles/{id}` has the same as `ending`. A client that is slow gets the latest and not the ones
in between; one that takes nothing for 10 s is cut off. The answer says `no-transform`, for proxies that would compress
events and hold them back.

## Routes
"""


def api_page() -> str:
    """Return the page as Markdown."""
    rows = [f"| `{route.method} {route.path}` | {route.summary} |" for route in ROUTES]
    rows += [
        "| `GET /arena/{id}` | The page to vote on; the token comes in the fragment, `#token=...` |",
        "| `GET /openapi.json` | The contract |",
    ]
    return "\n".join(
        [
            INTRODUCTION,
            "| route | what |",
            "|---|---|",
            *rows,
            "",
            "## Problems",
            "",
            "Whatever is not carried out is answered with `application/problem+json` (RFC 9457): `type`",
            f"(`{TYPE}` and the code), `title`, `status`, `code` and, where there is more to say, `detail`.",
            "Codes do not change; texts may.",
            "",
            problem_table(),
            "",
            "## Reasons of entries",
            "",
            "Why an entry is not admitted, or not yet. Codes do not change; sentences may.",
            "",
            "| code | sentence |",
            "|---|---|",
            *(f"| `{code}` | {sentence} |" for code, sentence in SENTENCES.items()),
            "",
        ]
    )
