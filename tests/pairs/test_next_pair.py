"""Pairs as the API serves them, between a real PostgreSQL and a real Redis."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import psycopg
import pytest
import redis

from stack import Stack
from tests.packed import pack
from tests.pairs.contest import CRUCIBLE, Contest
from tests.site_database import as_role
from watcher.api.http.problem import ProblemError
from watcher.api.resources import pair
from watcher.api.voting.candidates import Asker
from watcher.api.voting.next_pair import Pairs
from watcher.api.voting.pictures import Pictures
from watcher.api.voting.served_pair import NoPair, Served, ServedPair
from watcher.model.pair_token import PairTokens, SignedPair
from watcher.model.vote import pair_field
from watcher.postgres.pool import SitePool
from watcher.postgres.site.images import SiteImages
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_command
from watcher.redis.link import Link
from watcher.redis.wire import LinkLostError

T = TypeVar("T")
Many = Callable[..., Awaitable[list[ServedPair]]]
JUDGE = 3
ADDRESS = "https://img.example/{url}/{id}"
TOKENS = PairTokens([bytes(32)])


@pytest.fixture
def contest(site: psycopg.Connection[Any], raw: redis.Redis) -> Contest:
    """An active crucible."""
    one = Contest(site, raw)
    one.open()
    raw.script_load(ADMIT.text)
    return one


def enter(contest: Contest, images: dict[int, int], *, levels: dict[int, int] | None = None, user: int = 1) -> None:
    """Entries that are admitted."""
    contest.enter(images, user=user)
    placements = [Placement(entry, (levels or {}).get(entry, 1), image) for entry, image in images.items()]
    contest.raw.execute_command(*admit_command(CRUCIBLE, placements))


def judge(contest: Contest, *pairs: tuple[int, int], user: int = JUDGE) -> None:
    """The judge has judged these."""
    for one, other in pairs:
        contest.raw.hset(keys.judged(CRUCIBLE, user), pair_field(one, other), "1:1:1:1516:1484:0:16")


class PairSource:
    """A process that serves pairs, for as long as a block lasts."""

    def __init__(self, parts: Stack, seed: int = 1) -> None:
        self._parts, self._chance = parts, random.Random(seed)

    def __call__(self, question: Callable[[Pairs], Awaitable[T]]) -> T:
        """Ask it."""
        return asyncio.run(self._ask(question))

    async def _ask(self, question: Callable[[Pairs], Awaitable[T]]) -> T:
        link = Link(self._parts.redis.url, 5.0, Pairs.SCRIPTS)
        running = asyncio.create_task(link.run())
        dsn = as_role(str(self._parts.endpoints.postgres_dsn), "crucible_watcher")
        try:
            async with SitePool(dsn, size=1, timeout=10.0) as pool:
                await answering(link)
                pictures = Pictures(SiteImages(pool.fetch), ADDRESS)
                return await question(Pairs(link, pictures, TOKENS, 600.0, chance=self._chance))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def answering(link: Link) -> None:
    """Return once it is connected."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await link.ping()
            except LinkLostError:
                await asyncio.sleep(0.001)


@pytest.fixture
def source(parts: Stack) -> PairSource:
    """A process that serves pairs."""
    return PairSource(parts)


def served(pairs: Pairs, level: int = 31, account: int = 31) -> Awaitable[Served | NoPair]:
    """What is open to the judge."""
    return pairs.serve(Asker(CRUCIBLE, JUDGE, level, account))


async def one_pair(pairs: Pairs, level: int = 31) -> ServedPair | NoPair:
    """What the judge is to judge now."""
    answer = await served(pairs, level, level)
    return answer if isinstance(answer, NoPair) else answer.pair


@pytest.fixture
def many(contest: Contest) -> Many:
    """As many pairs, each as if it were the judge's first."""

    async def ask(pairs: Pairs, number: int, level: int = 31) -> list[ServedPair]:
        answers = []
        for _ in range(number):
            contest.raw.delete(keys.open_pairs(CRUCIBLE, JUDGE))
            answers.append(await one_pair(pairs, level))
        assert all(isinstance(answer, ServedPair) for answer in answers)
        return answers  # type: ignore[return-value]

    return ask


def ids(answer: ServedPair | NoPair) -> set[int]:
    assert isinstance(answer, ServedPair), answer
    return {answer.left.entry_id, answer.right.entry_id}


def test_a_pair_shows_two_images_and_what_is_said_of_them(contest: Contest, source: PairSource) -> None:
    """And nothing that would sway the judge: no owner, no rating, no number of votes."""
    enter(contest, {11: 1, 12: 2})
    contest.image(1, url="a b/ä", type="video", width=640, height=480)
    contest.site.execute('INSERT INTO "Thread" ("imageId") VALUES (1)')
    contest.site.execute(
        """INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt") VALUES ('<p>fine</p>', 2, 1, now())"""
    )

    before = time.time()
    opened = source(served)

    assert isinstance(opened, Served)
    answer = pair.answer(opened, Pictures(cast("SiteImages", None), ADDRESS))
    sides = {side.entryId: side for side in (answer.left, answer.right)}
    image, comment = sides[11].image, sides[11].topComment
    assert (image.url, image.type) == ("https://img.example/a%20b/%C3%A4/1", "video")
    assert (image.width, image.height, image.nsfwLevel) == (640, 480, 1)
    assert comment is not None
    assert (comment.text, comment.reactions, sides[11].commentCount) == ("fine", 0, 1)
    assert (sides[12].topComment, sides[12].commentCount) == (None, 0)
    assert set(sides[11].__struct_fields__) == {"entryId", "image", "topComment", "commentCount"}
    token = TOKENS.read(answer.token)
    assert isinstance(token, SignedPair)
    assert (token.crucible_id, token.user_id, token.level) == (CRUCIBLE, JUDGE, 31)
    assert (token.left, token.right) == (answer.left.entryId, answer.right.entryId)
    assert before + 599 < token.expires < time.time() + 600


def test_never_own_never_judged_and_both_sides(contest: Contest, source: PairSource, many: Many) -> None:
    """Whatever the judge has judged, what comes is new, and of others; an entry is not always on the same side."""
    enter(contest, {11: 1, 12: 2, 13: 3, 14: 4})
    enter(contest, {15: 5, 16: 6}, user=JUDGE)
    judge(contest, (11, 12), (13, 11), (14, 13))

    answers = source(lambda pairs: many(pairs, 200))

    assert {frozenset(ids(answer)) for answer in answers} == {
        frozenset(pair) for pair in ((11, 14), (12, 13), (12, 14))
    }
    lefts = Counter(answer.left.entry_id for answer in answers if ids(answer) == {12, 13})
    assert min(lefts[12], lefts[13]) > 0.3 * sum(lefts.values())


@pytest.mark.parametrize("blocks", [0, 1, 3], ids=["fields", "one block", "three blocks"])
@pytest.mark.parametrize("number", [5, 40, 140], ids=["one draw", "a wider draw", "all of them"])
def test_every_pair_comes_until_all_are_judged(contest: Contest, source: PairSource, number: int, blocks: int) -> None:
    """However many there are, the last pair is found, and only then is it all; also after a rebuild packed them."""
    last = (1 + number // 3, number)
    enter(contest, {entry: 1 + entry % 20 for entry in range(1, number + 1)})
    pairs = [(one, other) for one in range(1, number + 1) for other in range(1, one) if (other, one) != last]
    judged = {pair_field(one, other): "1:1:1:1516:1484:0:16" for one, other in pairs}
    if blocks:
        pack(contest.raw, keys.judged(CRUCIBLE, JUDGE), judged, blocks)
    else:
        contest.raw.hset(keys.judged(CRUCIBLE, JUDGE), mapping=judged)  # type: ignore[arg-type]

    assert ids(source(one_pair)) == set(last)
    judge(contest, last)  # as the open pair
    assert source(one_pair) is NoPair.ALL_JUDGED


def test_two_entries_of_one_image_are_no_pair(contest: Contest, source: PairSource) -> None:
    """There is nothing to judge; the site has no rule against entering an image twice."""
    enter(contest, {11: 1, 12: 1})
    assert source(one_pair) is NoPair.TOO_FEW

    enter(contest, {13: 2})
    assert 13 in ids(source(one_pair))


@pytest.mark.parametrize(
    ("entries", "user", "level"), [({}, 1, 31), ({11: 1}, 1, 31), ({11: 1, 12: 2}, JUDGE, 31), ({11: 1, 12: 2}, 1, 2)]
)
def test_fewer_than_two_to_see(
    contest: Contest, source: PairSource, entries: dict[int, int], user: int, level: int
) -> None:
    """None, one, only own ones, none of the judge's level: told from having judged them all."""
    enter(contest, entries, user=user)

    assert source(lambda pairs: one_pair(pairs, level)) is NoPair.TOO_FEW


def test_an_image_that_was_hidden_a_moment_ago_is_not_served(contest: Contest, source: PairSource, many: Many) -> None:
    """Nor any other that was: they leave the pools at once, and another pair is chosen."""
    enter(contest, {entry: entry for entry in range(1, 11)})
    for image, columns in {1: {"nsfwLevel": 32}, 2: {"tosViolation": True}, 3: {"needsReview": "x"}}.items():
        contest.image(image, **columns)
    contest.image(4, ingestion="Blocked")
    contest.site.execute('UPDATE "CrucibleEntry" SET "imageId" = 20 WHERE id = 5')  # its change is still on its way
    contest.image(5, blockedFor="x")

    answers = source(lambda pairs: many(pairs, 40))

    assert set().union(*map(ids, answers)) == {6, 7, 8, 9, 10}
    assert set(contest.admitted()) == {6, 7, 8, 9, 10}


def test_an_image_with_another_level_changes_its_pool(contest: Contest, source: PairSource, many: Many) -> None:
    """Whoever may see the new one still gets it; whoever may not does not, from that very request on."""
    enter(contest, {11: 1, 12: 2, 13: 3})
    contest.image(1, nsfwLevel=16)

    answers = source(lambda pairs: many(pairs, 20, level=1))

    assert {frozenset(ids(answer)) for answer in answers} == {frozenset((12, 13))}
    assert contest.admitted() == {11: 16, 12: 1, 13: 1}
    assert 11 in set().union(*map(ids, source(lambda pairs: many(pairs, 20))))


def test_an_image_that_is_gone_leaves(contest: Contest, source: PairSource, many: Many) -> None:
    """Its entry's own deletion may still be on its way."""
    enter(contest, {11: 1, 12: 2})
    contest.site.execute(
        """INSERT INTO "Image" (id, "userId", url, "nsfwLevel", ingestion, "updatedAt")
           VALUES (500, 1, 'soon gone', 1, 'Scanned', now())"""
    )
    enter(contest, {13: 500})
    contest.site.execute('DELETE FROM "Image" WHERE id = 500')

    answers = source(lambda pairs: many(pairs, 20))

    assert {frozenset(ids(answer)) for answer in answers} == {frozenset((11, 12))}
    assert contest.admitted() == {11: 1, 12: 1}


def test_comments_are_remembered_and_moderation_is_not(contest: Contest, source: PairSource, many: Many) -> None:
    """A comment may be some seconds late; a hidden image may not."""
    enter(contest, {11: 1, 12: 2, 13: 3})

    async def twice(pairs: Pairs) -> tuple[list[ServedPair], list[ServedPair]]:
        first = await many(pairs, 10)
        contest.site.execute('INSERT INTO "Thread" (id, "imageId") VALUES (1, 1), (2, 2), (3, 3)')
        contest.site.execute(
            """INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt")
               SELECT 'new', 2, n, now() FROM generate_series(1, 3) n"""
        )
        contest.image(3, nsfwLevel=32)
        return first, await many(pairs, 10)

    first, second = source(twice)

    assert set().union(*map(ids, first)) == {11, 12, 13}
    assert set().union(*map(ids, second)) == {11, 12}
    assert {remarks.count for answer in second for _, remarks in answer.pictures.values()} == {0}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"status": "Completed"}, "not_active"),
        ({"start": 4_000_000_000_000}, "not_started"),
        ({"end": 1_000}, "ended"),
    ],
)
def test_a_crucible_that_is_not_open_has_no_pairs(
    contest: Contest, source: PairSource, state: dict[str, Any], code: str
) -> None:
    """Each with its own code."""
    enter(contest, {11: 1, 12: 2})
    contest.raw.hset(keys.state(CRUCIBLE), mapping=state)

    with refused(code):
        source(one_pair)


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(ProblemError) as error:
        yield
    assert error.value.code == code


def test_an_absent_crucible_is_told_from_an_empty_one(contest: Contest, source: PairSource) -> None:
    """The first is being brought back."""
    contest.raw.flushall()

    with refused("absent"):
        source(one_pair)


def test_scripts_that_redis_lost_are_loaded_again(contest: Contest, source: PairSource) -> None:
    """Somebody may flush them, or the process may be another one."""
    enter(contest, {11: 1, 12: 2})

    async def flushed(pairs: Pairs) -> ServedPair | NoPair:
        contest.raw.script_flush()
        return await one_pair(pairs)

    assert ids(source(flushed)) == {11, 12}


@pytest.mark.parametrize("start", ["long ago", ""], ids=["late", "nobody knows when it began"])
def test_late_a_judge_meets_no_leader_twice(contest: Contest, source: PairSource, start: str) -> None:
    """However many pairs the judge asks for and judges; the others are met as often as there are pairs."""
    enter(contest, {entry: entry % 20 + 1 for entry in range(1, 41)})
    now = int(time.time() * 1000)
    contest.raw.hset(keys.state(CRUCIBLE), mapping={"start": start and now - 9_000_000, "end": now + 1_000_000})
    leaders = {keys.standing_entry_id(one) for one in contest.raw.zrange(keys.standings(CRUCIBLE), 0, 7)}  # type: ignore[union-attr]

    async def judge_many(pairs: Pairs) -> list[set[int]]:
        await one_pair(pairs)  # what the crucible's times are is known from the first draw
        contest.raw.delete(keys.open_pairs(CRUCIBLE, JUDGE))
        found = []
        for _ in range(40):
            found.append(ids(await one_pair(pairs)))
            judge(contest, tuple(found[-1]))  # type: ignore[arg-type]
        return found

    met = Counter(entry for pair in source(judge_many) for entry in pair)

    assert max(met[entry] for entry in leaders) == 1
    assert max(met.values()) > 1
