"""Payments that no entry's row names any more, as the site's database has noted them when the rows went."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec

from watcher.model.left_payment import LeftPayment, StrayPayment
from watcher.postgres.moments import MOMENTS
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "left_payment.sql", constants=MOMENTS)


class Note(NamedTuple):
    """Where a payment has left a row."""

    id: int
    entry_id: int
    crucible_id: int


def noted(session: Session, crucible_id: int | None, most: int) -> list[Note]:
    """Return the oldest notes; none where the site's database was not prepared for them.

    Args:
        session: a connection.
        crucible_id: of one crucible; None: of all.
        most: notes.
    """
    if session.read(_STATEMENTS["are_noted"], session.schema) != [(True,)]:
        return []
    return [Note(*row) for row in session.read(_STATEMENTS["noted_payments"], {"crucible": crucible_id, "most": most})]


def read(session: Session, notes: Sequence[Note]) -> list[LeftPayment]:
    """Return what is known of some notes, oldest first; of one that somebody else has seen to meanwhile, nothing."""
    rows = [
        LeftPayment(
            note=note, entry_id=entry, crucible_id=crucible, user_id=user, image_id=image, created_ms=created,
            prefix=prefix, deleted=deleted, is_owed=owed, is_known=known, is_decided=decided, is_there=there,
            is_replaced=replaced,
        )
        for note, entry, crucible, user, image, created, prefix, deleted, owed, known, decided, there, replaced
        in session.run(_STATEMENTS["left_payments"], [note.id for note in notes])
    ]  # fmt: skip
    unknown = sorted({one.prefix for one in rows if one.is_owed and not one.is_known})
    if not unknown:
        return rows
    named = {prefix for (prefix,) in session.run(_STATEMENTS["named_prefixes"], unknown)}
    return [msgspec.structs.replace(one, is_known=one.is_known or one.prefix in named) for one in rows]


def give_back(session: Session, payments: Iterable[StrayPayment]) -> set[str]:
    """Write down that payments go back without having been any entry's fee, within the caller's transaction.

    Returns:
        Prefixes of those of which nobody had written that or anything else.
    """
    text = msgspec.json.encode(list(payments)).decode()
    return {prefix for (prefix,) in session.run(_STATEMENTS["return_payments"], text)}


def forget(session: Session, payments: Iterable[LeftPayment]) -> None:
    """Take notes away, within the transaction of what follows from them."""
    session.later(_STATEMENTS["forget_payments"], [one.note for one in payments])
