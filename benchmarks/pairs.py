"""How long a pair takes, in a crucible of a thousand entries and in one of a million: it should not make a difference.

Both are asked in turns through the HTTP API, one request at a time, by judges who change: what is compared met the same
machine in the same moments.
"""

import itertools
import time
from pathlib import Path

import redis
from rich.console import Console

from benchmarks.results import Result, percentile
from demo.play import own_folder
from stack.topology import Stack
from tests.api.site import Api, Site, bearer
from watcher.redis.scripts import complete

SIZES_ENTRIES = (1_000, 1_000_000)
CRUCIBLES = {size: 1_000 + number for number, size in enumerate(SIZES_ENTRIES)}
JUDGES = 200
OWNERS_FROM, OWNERS = 1_000_000, 10_000
"""Users whose images they are. Of one, PostgreSQL's hash index of owners would take hours."""
WARM_UP, REQUESTS = 300, 2_000
"""Of each size."""
GOAL_RATIO = 1.3
PORTION = 20_000
"""Entries that one script call makes."""

# What the watcher's scripts come to for so many admitted entries, faster. Every image is its entry's namesake.
STAGE = complete("""
-- uses: companions pools standings marks
local elo = 'crucible:' .. ARGV[1] .. ':elo'
local mark = string.rep('0', MARK_CHARACTERS)
redis.call('HSET', companion(elo, STATE), 'mark', mark, 'status', 'Active', 'start', '', 'end', '',
  'level', '31', 'epoch', '1', 'seq', '0',
  'row', '{"user":1,"name":"c","status":"Active","level":31,"start":null,"end":null,"judges":null,"places":3}')
local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
for from = first, last, 1000 do
  local ratings, rows, levels, members, ids = {}, {}, {}, {}, {}
  for entry = from, math.min(from + 999, last) do
    local id, at = string.format('%.0f', entry), #ratings
    ratings[at + 1], ratings[at + 2] = id, '1500'
    rows[at + 1], rows[at + 2] = id, mark .. string.format('@ENTRY_ROW@', 1, entry, entry)
    levels[at + 1], levels[at + 2] = id, '1'
    members[at + 1], members[at + 2] = '-1500', standing(entry, entry)
    ids[#ids + 1] = id
  end
  redis.call('HSET', elo, unpack(ratings))
  redis.call('HSET', companion(elo, ENTRIES), unpack(rows))
  redis.call('HSET', companion(elo, ADMITTED), unpack(levels))
  redis.call('SADD', pool(elo, 1), unpack(ids))
  redis.call('ZADD', companion(elo, STANDINGS), unpack(members))
end
""")


def measure(console: Console) -> list[Result]:
    """Make both crucibles, start the shipped API, ask.

    Raises:
        RuntimeError: an answer was no pair.
    """
    with own_folder() as folder, Stack(folder / "stack", parts=("redis", "postgres", "clickhouse")) as stack:
        site = Site(stack, Path(folder), anew=True)
        console.print(f"making crucibles of {' and '.join(f'{size:,}' for size in SIZES_ENTRIES)} entries")
        judges = _stage(site, stack.redis.url)
        api = site.api(CRUCIBLE_API__READS_PER_MINUTE="0")
        try:
            console.print(f"asking for {REQUESTS:,} pairs of each, one at a time")
            _ask(api, judges, WARM_UP)
            took = _ask(api, judges, REQUESTS)
        finally:
            api.close()
            site.close()
    p50 = {size: percentile(times, 0.5) * 1000 for size, times in took.items()}
    p99 = {size: percentile(times, 0.99) * 1000 for size, times in took.items()}
    small, large = SIZES_ENTRIES
    return [
        Result("pairs_p50_1k_ms", round(p50[small], 3), "ms", lower_is_better=True),
        Result("pairs_p50_1m_ms", round(p50[large], 3), "ms", lower_is_better=True),
        Result("pairs_p99_1m_ms", round(p99[large], 3), "ms", baseline=round(p99[small], 3), lower_is_better=True),
        Result("pairs_p50_1m_vs_1k", round(p50[large] / p50[small], 3), "ratio", 1.0, GOAL_RATIO, lower_is_better=True),
    ]


def _stage(site: Site, url: str) -> list[int]:
    """Both crucibles in Redis, their images in PostgreSQL; returns the judges."""
    site.postgres.execute(
        """INSERT INTO "User" (id) SELECT n FROM generate_series(%s, %s) n""", [OWNERS_FROM, OWNERS_FROM + OWNERS - 1]
    )
    site.postgres.execute(
        """INSERT INTO "Image" (id, "userId", url, "nsfwLevel", ingestion, "updatedAt")
           SELECT n, %s + n %% %s, 'image-' || n, 1, 'Scanned', now() FROM generate_series(1000, %s) n""",
        [OWNERS_FROM, OWNERS, 1_000 + max(SIZES_ENTRIES)],
    )
    site.postgres.execute('ANALYZE "Image"')
    with redis.Redis.from_url(url) as client:
        stage = client.register_script(STAGE)
        for size, crucible in CRUCIBLES.items():
            for first in range(1_000, 1_000 + size, PORTION):
                stage(args=[crucible, first, min(first + PORTION, 1_000 + size) - 1])
    return [site.user() for _ in range(JUDGES)]


def _ask(api: Api, judges: list[int], requests: int) -> dict[int, list[float]]:
    """Seconds of each request, by size."""
    headers = itertools.cycle([bearer(judge) for judge in judges])
    took: dict[int, list[float]] = {size: [] for size in SIZES_ENTRIES}
    order = list(CRUCIBLES.items())
    for _ in range(requests):
        who = next(headers)
        order.reverse()  # neither is always the first that wakes the server up
        for size, crucible in order:
            began = time.perf_counter()
            answer = api.client.get(f"/v1/crucibles/{crucible}/pair", headers=who)
            took[size].append(time.perf_counter() - began)
            if answer.status_code != 200:
                raise RuntimeError(f"no pair but {answer.status_code}: {answer.text}")
    return took
