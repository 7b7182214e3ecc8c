"""What is said about a crucible, by the rules of what is said about images."""

from collections.abc import Mapping
from typing import Any

from tests.api.site import NOW, Api, Contest, Site, bearer


def discussed(site: Site, contest: Contest) -> int:
    return site.insert("Thread", crucibleId=contest.id)


def say(site: Site, thread: int, content: str, reactions: int = 0, user: int | None = None, **columns: Any) -> int:
    given = {"threadId": thread, "userId": user or site.user(), "updatedAt": NOW, "content": content}
    return site.insert("CommentV2", **given, reactionCount=reactions, **columns)


def test_a_discussion_leaves_as_text_and_in_pages(api: Api, site: Site) -> None:
    """Most reactions first, replies among them, markup as text; nothing of an image's or another crucible's."""
    contest, other, judge = site.contest(entries=1), site.contest(entries=0), site.user(username="a judge")
    thread = discussed(site, contest)
    first = say(site, thread, "<p>first</p>", 3, judge)
    say(site, thread, "<script>alert(1)</script>&lt;b&gt;second", 2)
    replies = site.insert("Thread", commentId=first, rootThreadId=thread)
    say(site, replies, "a reply", 1)
    say(site, discussed(site, other), "elsewhere", 9)
    say(site, site.insert("Thread", imageId=contest.images[0]), "of an image", 9)
    path = f"{contest.path}/comments"

    page = api.get(path, judge, limit=2).json()
    rest = api.get(path, judge, limit=2, cursor=page["next"]).json()

    assert [one["text"] for one in page["comments"]] == ["first", "<b>second"]
    assert [(one["text"], one["replyTo"]) for one in rest["comments"]] == [("a reply", first)]
    assert page["comments"][0]["author"] == "a judge"
    assert (page["total"], rest["total"], rest["next"]) == (3, 3, None)


def test_pages_end_whatever_stands_in_the_rows(api: Api, site: Site) -> None:
    """Times before 1970, beyond all years and without end, counts below nothing: each comment comes once."""
    contest, judge = site.contest(entries=0), site.user()
    thread, path = discussed(site, contest), f"{contest.path}/comments"
    times = ("infinity", "2400-01-01", "2300-01-01", NOW, "1969-12-31", "1800-01-01", "0044-03-15 BC", "-infinity")
    said = {say(site, thread, made, count, judge, createdAt=made) for made in times for count in (1, -1)}
    whole = [one["commentId"] for one in api.get(path, judge, limit=100).json()["comments"]]
    paged: list[int] = []
    cursor: dict[str, str] = {}

    while len(paged) <= len(said):
        page = api.get(path, judge, limit=1, **cursor).json()
        paged += [one["commentId"] for one in page["comments"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert set(whole) == said
    assert paged == whole
    assert api.get(path, judge, cursor="-9999999999.-999999999999999.9999999999").json()["comments"] == []


def test_what_may_not_be_shown_is_nowhere(api: Api, site: Site) -> None:
    """Hidden, against the rules, of somebody banned or gone: neither shown nor counted, and nobody's parent."""
    contest, judge = site.contest(entries=0), site.user()
    thread = discussed(site, contest)
    banned, gone = site.user(bannedAt=NOW), site.user(deletedAt=NOW)
    said = say(site, thread, "banned", user=banned)
    say(site, thread, "gone", user=gone)
    say(site, thread, "hidden", hidden=True)
    say(site, thread, "bad", tosViolation=True)
    say(site, site.insert("Thread", commentId=said, rootThreadId=thread), "a reply")

    told = api.get(f"{contest.path}/comments", judge).json()

    assert [(one["text"], one["replyTo"]) for one in told["comments"]] == [("a reply", None)]
    assert (told["total"], told["next"]) == (1, None)


def test_who_sees_nothing_of_a_crucible_does_not_see_its_discussion(api: Api, site: Site) -> None:
    """The account and the crucible's level decide, as they do for images."""
    contest = site.contest(entries=0, level=16)
    say(site, discussed(site, contest), "explicit")
    path = f"{contest.path}/comments"

    adult, child = api.get(path, site.user()), api.get(path, site.user(browsingLevel=1))

    assert adult.json()["total"] == 1
    assert (child.status_code, child.json()["code"]) == (403, "level_not_allowed")


def test_what_is_not_safe_for_work_is_not_shown_to_who_sees_pg_alone(api: Api, site: Site) -> None:
    """Whether the account, the token or the request says so; of discussions and of images, and in counts."""
    contest, adult = site.contest(entries=2), site.user()
    remarks = discussed(site, contest), *(site.insert("Thread", imageId=image) for image in contest.images)
    for thread in remarks:
        say(site, thread, "explicit", 5, nsfw=True)
        say(site, thread, "tame")
    entry = f"{contest.path}/entries/{contest.entries[0]}"

    def shown(user: int, params: Mapping[str, int] | None = None, **claims: Any) -> list[Any]:
        given = {"params": params or {}, "headers": bearer(user, **claims)}
        pages = [api.client.get(f"{path}/comments", **given).json() for path in (contest.path, entry)]
        pair = api.client.get(f"{contest.path}/pair", **given).json()
        told = [([one["text"] for one in page["comments"]], page["total"]) for page in pages]
        below = {(pair[side]["topComment"]["text"], pair[side]["commentCount"]) for side in ("left", "right")}
        return [*told, below, api.client.get(entry, **given).json()["commentCount"]]

    api.get(contest.path, adult)
    everything, tame = (
        [(["explicit", "tame"], 2)] * 2 + [{("explicit", 2)}, 2],
        [(["tame"], 1)] * 2 + [{("tame", 1)}, 1],
    )
    assert shown(adult) == everything
    assert shown(adult, browsingLevel=1) == tame
    assert shown(adult, {"browsingLevel": 1}) == tame
    assert shown(site.user(showNsfw=False), showNsfw=True) == tame
    assert shown(site.user(browsingLevel=1), browsingLevel=31) == tame


def test_a_crucible_without_a_discussion(api: Api, site: Site) -> None:
    """An empty page, live or over; 404 where there is no crucible; 400 for a cursor that is none."""
    judge = site.user()
    for status in ("Active", "Completed"):
        told = api.get(f"{site.contest(entries=0, status=status).path}/comments", judge)
        assert (told.status_code, told.json()) == (200, {"comments": [], "total": 0, "next": None})
    nowhere = api.get("/v1/crucibles/2000000000/comments", judge)
    odd = api.get(f"{site.contest(entries=0).path}/comments", judge, cursor="1.2")

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_crucible")
    assert (odd.status_code, odd.json()["code"]) == (400, "bad_request")
