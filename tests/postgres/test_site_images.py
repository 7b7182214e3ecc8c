"""Images and comments from the site's own tables."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from itertools import chain
from typing import Any

import psycopg
import pytest

from stack import Stack
from watcher.model.plain_text import plain_text
from watcher.model.site_image import Comment, CommentCursor
from watcher.postgres.pool import SitePool
from watcher.postgres.site.images import SiteImages

Ask = Callable[[Callable[[SiteImages], Coroutine[Any, Any, Any]]], Any]
IMAGE, OTHER, SILENT = 1, 2, 3


@pytest.fixture
def site(postgres: Stack) -> Iterator[psycopg.Connection[Any]]:
    """The site, with no comments yet."""
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as connection:
        connection.execute('TRUNCATE "Thread", "CommentV2", "CommentV2Reaction" RESTART IDENTITY CASCADE')
        connection.execute("""UPDATE "User" SET "bannedAt" = NULL, "deletedAt" = NULL""")
        yield connection


@pytest.fixture
def ask(dsn: str) -> Ask:
    """Ask as the watcher's role, which may read these tables and nothing else."""

    async def answer(question: Callable[[SiteImages], Coroutine[Any, Any, Any]]) -> Any:
        async with SitePool(dsn, size=1, timeout=10.0) as pool:
            return await question(SiteImages(pool.fetch))

    return lambda question: asyncio.run(answer(question))


def thread(site: psycopg.Connection[Any], **columns: Any) -> int:
    """A thread, of an image or of a comment."""
    names = ", ".join(f'"{name}"' for name in columns)
    row = site.execute(
        f'INSERT INTO "Thread" ({names}) VALUES ({", ".join(["%s"] * len(columns))}) RETURNING id',  # type: ignore[arg-type] # noqa: S608
        list(columns.values()),
    ).fetchone()
    assert row is not None
    return int(row[0])


def comment(site: psycopg.Connection[Any], thread_id: int, text: str, *, likes: int = 0, **columns: Any) -> int:
    """A comment with so many reactions of as many kinds and users."""
    given: dict[str, Any] = {"threadId": thread_id, "content": text, "userId": 1, **columns}
    names = ", ".join(f'"{name}"' for name in given)
    row = site.execute(
        f'INSERT INTO "CommentV2" ({names}, "updatedAt") VALUES ({", ".join(["%s"] * len(given))}, now()) RETURNING id',  # type: ignore[arg-type] # noqa: S608
        list(given.values()),
    ).fetchone()
    assert row is not None
    site.execute(
        """INSERT INTO "CommentV2Reaction" ("commentId", "userId", reaction, "updatedAt")
           SELECT %s, 1 + n / 5, (enum_range(NULL::"ReviewReactions"))[1 + n %% 5], now()
           FROM generate_series(0, %s - 1) n""",
        [row[0], likes],
    )
    return int(row[0])


def test_an_image_comes_with_its_best_comment_and_their_number(site: psycopg.Connection[Any], ask: Ask) -> None:
    """Most reactions first; of equals the newest; markup becomes text; another image's comments stay there."""
    mine, other = thread(site, imageId=IMAGE), thread(site, imageId=OTHER)
    comment(site, mine, "older", likes=2, createdAt="2026-01-01")
    best = comment(site, mine, "<p>the <b>best</b></p>", likes=2, createdAt="2026-01-02")
    comment(site, mine, "newest", createdAt="2026-01-03")
    comment(site, other, "elsewhere", likes=9)

    found = ask(lambda images: images.commented([IMAGE, SILENT, 999], nsfw=True))

    assert found.keys() == {IMAGE, SILENT}
    image, remarks = found[IMAGE]
    assert (image.url, image.type, image.nsfw_level, image.ingestion) == ("image-1", "image", 1, "Pending")
    assert (remarks.count, remarks.top.id, remarks.top.text, remarks.top.reactions) == (3, best, "the best", 2)
    assert remarks.top.created_ms == 1_767_312_000_000  # 2026-01-02 00:00 UTC, whatever the machine's time zone
    assert (found[SILENT][1].count, found[SILENT][1].top) == (0, None)


@pytest.mark.parametrize(
    "columns",
    [{"hidden": True}, {"tosViolation": True}, {"userId": 2}, {"userId": 3}],
    ids=["hidden", "against the rules", "of a banned author", "of a deleted author"],
)
def test_what_may_not_be_shown_is_not_counted(site: psycopg.Connection[Any], ask: Ask, columns: dict[str, Any]) -> None:
    """However many reactions it has. An old row's NULL in ``hidden`` hides nothing."""
    site.execute("""UPDATE "User" SET "bannedAt" = now() WHERE id = 2""")
    site.execute("""UPDATE "User" SET "deletedAt" = now() WHERE id = 3""")
    mine = thread(site, imageId=IMAGE)
    comment(site, mine, "loudest", likes=5, **columns)
    shown = comment(site, mine, "shown", hidden=None)

    remarks = ask(lambda images: images.commented([IMAGE], nsfw=True))[IMAGE][1]
    page = ask(lambda images: images.comments(IMAGE, None, 10, nsfw=True)).comments

    assert (remarks.count, remarks.top.id) == (1, shown)
    assert [one.id for one in page] == [shown]


def test_replies_count_and_are_never_the_comment_below_an_image(site: psycopg.Connection[Any], ask: Ask) -> None:
    """They hang from threads of their own; a hidden one counts as little as a hidden comment."""
    mine = thread(site, imageId=IMAGE)
    parent = comment(site, mine, "parent", likes=1)
    answers = thread(site, commentId=parent, rootThreadId=mine, parentThreadId=mine)
    reply = comment(site, answers, "reply", likes=5)
    comment(site, answers, "hidden reply", hidden=True)
    deeper = comment(site, thread(site, commentId=reply, rootThreadId=mine, parentThreadId=answers), "deeper")

    remarks = ask(lambda images: images.commented([IMAGE], nsfw=True))[IMAGE][1]
    page: list[Comment] = ask(lambda images: images.comments(IMAGE, None, 10, nsfw=True)).comments

    assert (remarks.count, remarks.top.text) == (3, "parent")
    assert [(one.id, one.reply_to) for one in page] == [(reply, parent), (parent, None), (deeper, reply)]


@pytest.mark.parametrize("gone", ["bannedAt", "deletedAt"])
def test_nobody_replies_to_whoever_is_gone(site: psycopg.Connection[Any], ask: Ask, gone: str) -> None:
    """The reply stays; what it replied to is not named any more than it is shown."""
    mine = thread(site, imageId=IMAGE)
    parent = comment(site, mine, "parent", userId=2)
    reply = comment(site, thread(site, commentId=parent, rootThreadId=mine, parentThreadId=mine), "reply")
    before = ask(lambda images: images.comments(IMAGE, None, 10, nsfw=True)).comments
    site.execute(f'UPDATE "User" SET "{gone}" = now() WHERE id = 2')  # type: ignore[arg-type] # noqa: S608

    after = ask(lambda images: images.comments(IMAGE, None, 10, nsfw=True)).comments

    assert {(one.id, one.reply_to) for one in before} == {(parent, None), (reply, parent)}
    assert [(one.id, one.reply_to) for one in after] == [(reply, None)]


def test_markup_is_bounded_and_read_beside_the_loop(
    site: psycopg.Connection[Any], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 KB of each comment of a page, 2,000 characters of the one below an image; a page in a thread of its own."""
    comment(site, thread(site, imageId=IMAGE), "x" * 30_000)
    read: list[tuple[int, bool]] = []

    def noted(markup: str, most: int | None = None) -> str:
        read.append((len(markup), threading.current_thread() is threading.main_thread()))
        return plain_text(markup, most)

    for module in ("comments", "images"):
        monkeypatch.setattr(f"watcher.postgres.site.{module}.plain_text", noted)
    page = ask(lambda images: images.comments(IMAGE, None, 10, nsfw=True)).comments
    top = ask(lambda images: images.commented([IMAGE], nsfw=True))[IMAGE][1].top

    assert read == [(4_096, False), (2_000, True)]
    assert (len(page[0].text), len(top.text)) == (4_096, 280)


def test_pages_of_comments_are_all_of_them_once(site: psycopg.Connection[Any], ask: Ask) -> None:
    """Comments with equal reactions and of the same millisecond too, and while new ones arrive."""
    mine = thread(site, imageId=IMAGE)
    made = [comment(site, mine, f"comment {n}", likes=n % 3, createdAt="2026-01-01") for n in range(10)]
    wanted = sorted(made, key=lambda one: (-(made.index(one) % 3), -one))

    seen: list[int] = []
    after: CommentCursor | None = None
    while page := ask(lambda images, after=after: images.comments(IMAGE, after, 3, nsfw=True)).comments:
        seen += [one.id for one in page]
        after = CommentCursor(page[-1].reactions, page[-1].created_ms, page[-1].id)
        comment(site, mine, "very much liked meanwhile", likes=10)

    assert seen == wanted


def test_a_page_ends_where_its_markup_is_too_much(site: psycopg.Connection[Any], ask: Ask) -> None:
    """64 KB of it, whatever the limit: what is left is on the pages that follow, and nothing is there twice."""
    mine = thread(site, imageId=IMAGE)
    made = [comment(site, mine, "\u00e9" * 5_000) for _ in range(20)]  # of which 4,096 characters come, 8 KB
    pages, after = [], None
    while after or not pages:
        page = ask(lambda images, after=after: images.comments(IMAGE, after, 100, nsfw=True))
        pages.append([one.id for one in page.comments])
        last = page.comments[-1]
        after = CommentCursor(last.reactions, last.created_ms, last.id) if page.more else None

    assert [len(one) for one in pages] == [8, 8, 4]
    assert sorted(chain(*pages)) == made


def test_what_is_not_safe_for_work(site: psycopg.Connection[Any], ask: Ask) -> None:
    """It is shown and counted where that is asked for, and is nobody's parent elsewhere."""
    mine = thread(site, imageId=IMAGE)
    explicit = comment(site, mine, "explicit", likes=3, nsfw=True)
    tame = comment(site, mine, "tame", likes=1)
    answers = thread(site, commentId=explicit, rootThreadId=mine, parentThreadId=mine)
    reply = comment(site, answers, "a reply")
    comment(site, answers, "an explicit reply", nsfw=True)

    def shown(nsfw: bool) -> tuple[Any, ...]:
        remarks = ask(lambda images: images.commented([IMAGE], nsfw=nsfw))[IMAGE][1]
        page = ask(lambda images: images.comments(IMAGE, None, 10, nsfw=nsfw)).comments
        return (
            remarks.count,
            remarks.top.text,
            [(one.id, one.reply_to) for one in page if one.text != "an explicit reply"],
        )

    assert shown(nsfw=True) == (4, "explicit", [(explicit, None), (tame, None), (reply, explicit)])
    assert shown(nsfw=False) == (2, "tame", [(tame, None), (reply, None)])


def test_images_as_they_are_now(site: psycopg.Connection[Any], ask: Ask) -> None:
    """The same facts without comments; what is gone is missing."""
    found = ask(lambda images: images.images([OTHER, 999]))

    assert {image_id: image.id for image_id, image in found.items()} == {OTHER: OTHER}
    assert found[OTHER] == ask(lambda images: images.commented([OTHER], nsfw=True))[OTHER][0]
