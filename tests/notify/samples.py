"""Notices and pages of them that no other test has."""

from itertools import count

from watcher.model.notice import Notice, NoticeType
from watcher.model.notices import Line, NoticePage, PageKind
from watcher.model.settlement import OutcomeKind

crucibles = count(1_000)


def notice(user: int, key: str | None = None, **details: object) -> Notice:
    """What one user is told."""
    crucible = next(crucibles)
    return Notice(
        key=key or f"crucible-ended:{crucible}:{user}", type=NoticeType.ENDED, user_id=user,
        message='You placed #1 in "Dawn"', url=f"/crucibles/{crucible}", details={"crucibleName": "Dawn", **details},
    )  # fmt: skip


def page(*users: int, crucible: int | None = None) -> NoticePage:
    """A page that tells users their places."""
    lines = tuple(Line(user, 100 + user, place) for place, user in enumerate(users, start=1))
    return NoticePage(
        told=PageKind.PLACE, number=0, crucible_id=crucible or next(crucibles), name="Dawn", kind=OutcomeKind.ENDED,
        entries=len(users), pool=0, paid=0, lines=lines,
    )  # fmt: skip
