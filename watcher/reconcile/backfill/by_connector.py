"""Rows of a table that the connector reads beside the stream: asked for by a signal, watched by what it says of them.

What it reads renews what Redis shows, and counts nothing: the event that a row stands for may have been counted. So it
takes the place of the comparison in Redis; what is counted is put right by pages, as in every backfill.
"""

import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import msgspec

from watcher.model.errors import StopError
from watcher.model.notification import INCREMENTAL, Notification
from watcher.model.registry import Table
from watcher.postgres import signals
from watcher.postgres.own import backfill_run
from watcher.postgres.own.backfill_run import BackfillRun
from watcher.postgres.session import Session
from watcher.reconcile.backfill.counting import BackfillEndedError, BackfillPausedError, OngoingBackfill
from watcher.reconcile.repairs.stream import PATIENCE_SECONDS, StreamStandsError
from watcher.runtime.failpoint import reach

LOOK_SECONDS: Final = 1.0
SAID_EVERY_SECONDS: Final = 5.0
"""Seconds between two lines of progress, and between two looks whether the connector still sends anything."""
GOOD: Final = frozenset({"SUCCEEDED", "EMPTY"})
"""How a scan ends when all rows were read, in Debezium's words."""
STOPPED: Final = "STOPPED"
WHY: Final = {
    STOPPED: "somebody has stopped it",
    "UNKNOWN_SCHEMA": "the connector does not stream that table: see table.include.list and the publication",
    "NO_PRIMARY_KEY": "the table has no primary key",
    "SQL_EXCEPTION": "PostgreSQL refused the connector: see its log",
}
"""Why a scan ends otherwise, for people, by Debezium's words."""


class NotBroughtError(StopError):
    """Raised when the connector will not send a table's rows, or not all; the run is over."""


class Sending(msgspec.Struct, frozen=True):
    """How far the connector is with a table's rows."""

    signal: str
    """What it was asked by."""
    table: str
    """With its schema."""
    taken: bool = False
    """Whether it has heard the signal."""
    paused: bool = False
    key: str = ""
    """The last one that it has read; empty: none yet."""
    until: str = ""
    ended: str = ""
    """How it ended, in Debezium's words; empty: it has not."""
    rows: int = 0
    """Rows that it had read when it ended."""

    def after(self, said: Notification) -> "Sending":
        """Return how far it is once it has said something.

        Debezium gives all that it reads the name of the latest signal, so the table's name decides, from the first
        answer to the signal on: what was said of the table before is of an earlier one.
        """
        taken = self.taken or said.id == self.signal
        if said.aggregate_type != INCREMENTAL or self.ended or not taken:
            return self
        return msgspec.structs.replace(self, taken=True, **self._changed(said))

    def _changed(self, said: Notification) -> dict[str, Any]:
        more = said.more
        match said.type:
            case "PAUSED" | "RESUMED":
                return {"paused": said.type == "PAUSED"}
            case "IN_PROGRESS" if more.get("current_collection_in_progress") == self.table:
                return {
                    "key": more.get("last_processed_key", ""),
                    "until": more.get("maximum_key", ""),
                    "paused": False,
                }
            case "TABLE_SCAN_COMPLETED" if more.get("scanned_collection") == self.table:
                rows = more.get("total_rows_scanned", "")
                return {"ended": more.get("status", "unknown"), "rows": int(rows) if rows.isdecimal() else 0}
            case "ABORTED" if self.table in more.get("data_collections", "").split(","):
                return {"ended": STOPPED}
        return {}

    def __str__(self) -> str:
        """Return how far it is in words."""
        if not self.taken:
            return "the connector has not heard the signal yet (`crucible connector status` says whether it runs)"
        at = f"the connector has read up to key {self.key} of {self.until}" if self.key else "the connector has begun"
        return f"{at}, and waits" if self.paused else at


class Connector(Protocol):
    """What a run asks of the connector."""

    def begin(self) -> None:
        """Have the connector read the table, or go on if it waits; what it reads now or has read is left alone."""
        ...

    def pause(self) -> None:
        """Have the connector wait with what it reads."""
        ...


class SignalledConnector:
    """The connector, asked by signals.

    Args:
        session: PostgreSQL, where it hears of them.
        run: names what it is asked for.
        table: with its schema.
    """

    def __init__(self, session: Session, run: BackfillRun, table: str) -> None:
        self._session, self._run, self._table = session, run, table

    def begin(self) -> None:
        """Ask for the table's rows; a connector that waits goes on, also if it has since an earlier run."""
        signals.execute_snapshot(self._session, self._run.signal, self._table)
        signals.resume_snapshot(self._session, str(uuid.uuid4()))

    def pause(self) -> None:
        """Ask the connector to wait."""
        signals.pause_snapshot(self._session, str(uuid.uuid4()))


def bring_once(
    ongoing: OngoingBackfill,
    session: Session,
    connector: Connector,
    said: Callable[[], AbstractContextManager[Callable[[], Iterable[Notification]]]],
    table: Table[Any],
    *,
    await_read: Callable[[], object],
    look: Callable[[], str],
    told: Callable[[str], None],
) -> None:
    """Have every row of a table sent and written, unless an earlier process of the run has seen to that.

    Args:
        ongoing: the run.
        session: where that is noted.
        connector: is asked.
        said: opens what returns what it has said since the last call, the first time since the run began.
        table: which.
        await_read: returns when the group has written all that the topics hold.
        look: returns why the connector sends nothing, and the next command; empty: it may send.
        told: told how far it is, now and then.

    Raises:
        BackfillPausedError: it is to pause, and so is the connector.
        NotBroughtError: the connector does not send the rows; the run is over.
        StreamStandsError: it says nothing, somebody has put it to rest, or the stream does not go on.
        TemporaryError: a neighbour is away.
    """
    if ongoing.run.brought_at is not None:
        return
    with said() as words:
        try:
            sent = bring_rows(ongoing, connector, words, table.qualified, look=look, told=told)
        except NotBroughtError:  # its signal has had its answer: the next run needs one of its own
            backfill_run.give_up(session, table.name)
            raise
    await_read()
    ongoing.run = backfill_run.brought(session, ongoing.run, sent)
    reach("backfill.brought")


def bring_rows(
    ongoing: OngoingBackfill,
    connector: Connector,
    said: Callable[[], Iterable[Notification]],
    table: str,
    *,
    look: Callable[[], str],
    told: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
) -> int:
    """Have the connector read a table from its first row to its last; return how many rows it has sent.

    Args:
        ongoing: the run.
        connector: is asked.
        said: returns what it has said since the last call.
        table: with its schema.
        look: returns why the connector sends nothing, and the next command; empty: it may send.
        told: told how far it is, now and then.
        now: tells the time in seconds.

    Raises:
        BackfillPausedError: it is to pause, and so is the connector.
        NotBroughtError: the connector does not send the rows; the message says why, and what to do.
        StreamStandsError: it says nothing, or somebody has put it to rest.
        TemporaryError: a neighbour is away.
    """
    connector.begin()
    reach("backfill.asked")
    sending, heard_at, told_at = Sending(ongoing.run.signal, table), now(), now()
    try:
        while True:
            for one in said():
                sending, heard_at = sending.after(one), now() if one.aggregate_type == INCREMENTAL else heard_at
            if sending.ended in GOOD:
                reach("backfill.sent")
                return sending.rows
            if sending.ended:
                why = WHY.get(sending.ended, f"the connector says {sending.ended}")
                raise NotBroughtError(
                    f"{table}: {why}; once that is mended run `crucible backfill --by-connector` again, which asks "
                    "anew, or without --by-connector"
                )
            if now() - heard_at > PATIENCE_SECONDS:
                raise StreamStandsError(
                    f"{sending}, and has said nothing for {PATIENCE_SECONDS:g} s: see `crucible connector status` and "
                    "the line connect.signals of `crucible doctor`, and run this again"
                )
            if now() - told_at >= SAID_EVERY_SECONDS:
                told_at = now()
                if standing := look():
                    raise StreamStandsError(f"{sending}; {standing}, which goes on there")
                told(f"{table}: {sending}")
            ongoing.rest(LOOK_SECONDS)
    except BackfillEndedError:
        raise
    except BackfillPausedError:
        connector.pause()
        raise
