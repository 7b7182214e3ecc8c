"""Payments that no entry's row names any more: which entries are withdrawn, and what goes back. Without I/O."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from watcher.model.entry_decision import EntryCandidate
from watcher.model.entry_rules import EntryFacts


class LeftPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of the site's whose entry's row was deleted, or names another one or none."""

    note: int
    """Number of the note; a later one is higher."""
    entry_id: int
    crucible_id: int
    user_id: int
    image_id: int
    created_ms: int
    """When the row was made, by the site's clock: milliseconds since 1970."""
    prefix: str
    deleted: bool
    """The row was deleted; else it was changed."""
    is_owed: bool
    """It is a part of no result."""
    is_known: bool
    """A fee that somebody has asked for, or that went back, or another entry's row names it."""
    is_decided: bool
    """The entry has a verdict."""
    is_there: bool
    """There is a row with the entry's id, the same one or another."""
    is_replaced: bool = False
    """It is the fee of an entry whose row was deleted, and the row that has the id by now names another payment."""


class StrayPayment(msgspec.Struct, frozen=True):
    """What the site took for an entry and what is not its fee: it goes back."""

    entry_id: int
    crucible_id: int
    user_id: int
    prefix: str


def unseen_entries(payments: Iterable[LeftPayment]) -> list[EntryCandidate]:
    """Return the entries that were deleted before anybody decided about them, each with the payment that it had last.

    >>> one = LeftPayment(note=1, entry_id=5, crucible_id=42, user_id=7, image_id=9, created_ms=0, prefix="site-5-",
    ...     deleted=True, is_owed=True, is_known=False, is_decided=False, is_there=False)
    >>> [(entry.entry_id, entry.site_prefix) for entry in unseen_entries([one])]
    [(5, 'site-5-')]
    """
    last = {one.entry_id: one for one in payments if one.is_owed and not one.is_decided and not one.is_there}
    return [
        EntryCandidate(
            entry_id=one.entry_id, crucible_id=one.crucible_id, image_id=one.image_id,
            facts=EntryFacts(user_id=one.user_id, created_ms=one.created_ms, crucible=None, image=None),
            site_prefix=None if one.is_known else one.prefix,
        )
        for one in last.values()
    ]  # fmt: skip


def strays(payments: Sequence[LeftPayment], fees: Iterable[EntryCandidate]) -> Iterator[StrayPayment]:
    """Yield what goes back besides the fees of entries that are withdrawn by it.

    Args:
        payments: all that have left their rows.
        fees: those entries; see :func:`unseen_entries`.
    """
    seen = {one.site_prefix for one in fees}
    for one in payments:
        if one.is_owed and not one.is_known and one.prefix not in seen:
            seen.add(one.prefix)
            yield StrayPayment(one.entry_id, one.crucible_id, one.user_id, one.prefix)
