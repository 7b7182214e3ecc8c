"""Tells users how a crucible has ended for them: carries out the rows of the channel ``notify``.

Who has switched such notices off is left out here, by the site's own table, and not by the service: its route for many
notices leaves out nobody, so that what it says about how many it took can be believed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from watcher.model.errors import RefusedError
from watcher.model.notices import NoticePage
from watcher.model.outbox import Delivered, DeliveryOutcome, NotSent, OutboxRow, OutboxStep, Refused
from watcher.notify.outbox_rows import CHANNEL, NOTICES
from watcher.notify.port import NoticeRefusedError, Notifier
from watcher.postgres.session import Session
from watcher.postgres.site.opt_outs import opted_out

TAKEN_AT_ONCE: Final = 4
"""Rows of a thousand notices each that are taken at a time. More: the last of them may outlast its lease behind a slow
service."""


class NoticeExecutor:
    """Tells users.

    Args:
        notifier: carries it to them.
        open_session: connects to PostgreSQL, for the length of a block.
    """

    channel = CHANNEL

    def __init__(self, notifier: Notifier, open_session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._notifier, self._open = notifier, open_session

    def execute(self, row: OutboxRow) -> DeliveryOutcome:
        """Do what a row says; see :class:`watcher.outbox.dispatcher.Executor`."""
        if row.kind != NOTICES:
            return Refused(f"given a row of kind {row.kind!r}, expected {NOTICES}")
        try:
            page = msgspec.convert(row.payload, NoticePage)
        except msgspec.ValidationError as error:
            return Refused(f"the row is no page of notices: {error}")
        try:
            silent = self._silent(page)
        except RefusedError as error:  # a right that is missing: prizes are paid all the same, and this waits
            return NotSent(f"who has switched notices off cannot be read: {error}; run debezium/postgres/settle.sql")
        wanted = [one for one in page.notices() if one.user_id > 0 and one.user_id not in silent]
        before = self._notifier.told([one.key for one in wanted]) if row.perhaps_sent and wanted else set[str]()
        left = [one for one in wanted if one.key not in before]
        if left:
            try:
                self._notifier.tell(left)
            except NoticeRefusedError as error:
                return Refused(str(error))
        off = len(page.lines) - len(wanted)
        return Delivered({"told": len(left), "before": len(before), "off": off})

    def follow(self, session: Session, row: OutboxRow, outcome: DeliveryOutcome, step: OutboxStep) -> None:
        """Do nothing: nothing follows from a notice."""

    def _silent(self, page: NoticePage) -> set[int]:
        with self._open() as session:
            return opted_out(session, page.type.value, {one.user_id for one in page.lines})
