"""Who is told what when a crucible has ended: everybody with a place, every winner, the creator, who got a fee back.

A million entrants are a thousand pages, which hold ids and numbers alone; the words are made when a page is sent.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Final

import msgspec

from watcher.model.notice import Notice, NoticeType
from watcher.model.settlement import CrucibleOutcome, OutcomeKind

MAX_PAGE: Final = 1_000
"""Notices of one page, and of one request: the service takes no more. Fewer: more requests."""


class PageKind(StrEnum):
    """What a page tells, the same to all of its users. Stored as it is spelt here."""

    PLACE = "place"
    """A user's best place."""
    REWARD = "reward"
    """A prize, for each entry that got one."""
    END = "end"
    """The creator: that the crucible is over."""
    REFUND = "refund"
    """A cancelled crucible's entrant: what came back."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One notice of a page, as numbers."""

    user_id: int
    entry_id: int = 0
    """0: it is not about one entry."""
    position: int = 0
    """0: there is none."""
    amount: int = 0
    """Buzz: the prize, or what came back."""


class NoticePage(msgspec.Struct, frozen=True, kw_only=True):
    """Up to ``MAX_PAGE`` notices of one kind about one crucible."""

    told: PageKind
    number: int
    """From 0, among the pages of its kind."""
    crucible_id: int
    name: str
    kind: OutcomeKind
    entries: int
    """Entries of the crucible."""
    pool: int
    """Buzz."""
    paid: int
    """Buzz of all prizes; of a cancelled crucible all that went back to entrants."""
    lines: tuple[Line, ...]

    @property
    def key(self) -> str:
        """Return the page's name, the same whenever it is made again."""
        return f"notices:{self.crucible_id}:{self.told.value}:{self.number}"

    @property
    def type(self) -> NoticeType:
        """Return the type of its notices."""
        return NoticeType.REWARD if self.told is PageKind.REWARD else NoticeType.ENDED

    def notices(self) -> Iterator[Notice]:
        """Yield the notices, in words."""
        for line in self.lines:
            yield _WORDED[self.told](self, line)


def notice_pages(outcome: CrucibleOutcome) -> Iterator[NoticePage]:
    """Yield all pages of notices about a crucible that has ended or was cancelled; the same ones each time.

    >>> outcome = CrucibleOutcome(crucible_id=42, name="Dawn", creator_id=7, kind=OutcomeKind.ENDED)
    >>> [notice.message for notice in notices(outcome)]
    ['Your crucible "Dawn" has ended without an entry']
    """
    if outcome.kind is OutcomeKind.ENDED:
        yield from _pages(outcome, PageKind.PLACE, _best_places(outcome))
        yield from _pages(outcome, PageKind.REWARD, _rewards(outcome))
        yield from _pages(outcome, PageKind.END, [Line(outcome.creator_id)])
    else:
        yield from _pages(outcome, PageKind.REFUND, _refunds(outcome))
        setup = sum(one.amount for one in outcome.refunds if one.entry_id is None)
        yield from _pages(outcome, PageKind.END, [Line(outcome.creator_id, amount=setup)])


def notices(outcome: CrucibleOutcome) -> Iterator[Notice]:
    """Yield every notice about a crucible that has ended or was cancelled."""
    for page in notice_pages(outcome):
        yield from page.notices()


def _pages(outcome: CrucibleOutcome, told: PageKind, lines: Iterable[Line]) -> Iterator[NoticePage]:
    paid = outcome.paid
    if outcome.kind is OutcomeKind.CANCELLED:
        paid = sum(one.amount for one in outcome.refunds if one.entry_id is not None)
    left = iter(lines)
    number = 0
    while page := tuple(islice(left, MAX_PAGE)):
        yield NoticePage(
            told=told, number=number, crucible_id=outcome.crucible_id, name=outcome.name, kind=outcome.kind,
            entries=outcome.entries, pool=outcome.pool, paid=paid, lines=page,
        )  # fmt: skip
        number += 1


def _best_places(outcome: CrucibleOutcome) -> Iterator[Line]:
    """Yield each user once, with the best place."""
    seen = set[int]()
    for position, (entry, user) in enumerate(
        zip(outcome.standings.entry_ids, outcome.standings.user_ids, strict=True), start=1
    ):
        if user not in seen:
            seen.add(user)
            yield Line(user, entry, position)


def _rewards(outcome: CrucibleOutcome) -> Iterator[Line]:
    standings = outcome.standings
    for position, prize in sorted(standings.prizes.items()):
        if prize:
            yield Line(standings.user_ids[position - 1], standings.entry_ids[position - 1], position, prize)


def _refunds(outcome: CrucibleOutcome) -> Iterator[Line]:
    """Yield each entrant once, with all that came back."""
    back = dict[int, int]()
    for one in outcome.refunds:
        if one.entry_id is not None:
            back[one.user_id] = back.get(one.user_id, 0) + one.amount
    for user, amount in sorted(back.items()):
        yield Line(user, amount=amount)


def _place(page: NoticePage, line: Line) -> Notice:
    return _notice(
        page, line, f"crucible-ended:{page.crucible_id}:{line.user_id}",
        f'You placed #{line.position} in "{page.name}"',
        position=line.position, entryId=line.entry_id, totalEntries=page.entries,
    )  # fmt: skip


def _reward(page: NoticePage, line: Line) -> Notice:
    reward = _buzz(line.amount)
    return _notice(
        page, line, f"crucible-reward-earned:{page.crucible_id}:{line.entry_id}",
        f'You earned {reward} from crucible "{page.name}"',
        rewardName=reward, amount=line.amount, position=line.position, entryId=line.entry_id,
    )  # fmt: skip


def _end(page: NoticePage, line: Line) -> Notice:
    key = f"crucible-ended:{page.crucible_id}"
    if page.kind is OutcomeKind.CANCELLED:
        message = f'Your crucible "{page.name}" was cancelled'
        if page.paid:
            message += f"; {_buzz(page.paid)} went back to its entrants"
        if line.amount:
            message += f"; {_buzz(line.amount)} for setting it up went back to you"
        return _notice(page, line, key, message, cancelled=True, refunded=page.paid, setupRefunded=line.amount)
    message = f'Your crucible "{page.name}" has ended without an entry'
    if page.entries:
        entries = f"{page.entries:,} {'entry' if page.entries == 1 else 'entries'}"
        message = f'Your crucible "{page.name}" has ended: {entries}, {_buzz(page.paid)} in prizes'
    return _notice(page, line, key, message, totalEntries=page.entries, prizePool=page.pool, prizes=page.paid)


def _refund(page: NoticePage, line: Line) -> Notice:
    return _notice(
        page, line, f"crucible-ended:{page.crucible_id}:{line.user_id}",
        f'"{page.name}" was cancelled; {_buzz(line.amount)} came back to you',
        cancelled=True, refunded=line.amount,
    )  # fmt: skip


def _notice(page: NoticePage, line: Line, key: str, message: str, **details: object) -> Notice:
    about = {"crucibleId": page.crucible_id, "crucibleName": page.name, **details}
    url = f"/crucibles/{page.crucible_id}"
    return Notice(key=key, type=page.type, user_id=line.user_id, message=message, url=url, details=about)


def _buzz(amount: int) -> str:
    return f"{amount:,} Buzz"


_WORDED: Final[dict[PageKind, Callable[[NoticePage, Line], Notice]]] = {
    PageKind.PLACE: _place,
    PageKind.REWARD: _reward,
    PageKind.END: _end,
    PageKind.REFUND: _refund,
}
