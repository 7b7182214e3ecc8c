"""Takes dead letters again: shows their row states, and counts their changes once.

The letters of a batch are decoded first. Their row states go to Redis, whose script keeps what is newer. Their
changes are decided in PostgreSQL, under the lock that repairs are decided under; announced there for as long as a
watcher takes to see it, so that none counts the same change meanwhile; and written under a token made of them. Only
then are the letters noted as done. Whoever dies before that leaves letters that are not done, and perhaps a decision
that the next run carries out under the same token. Two runs at once see each other's decisions.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from watcher.changes.sink import StateSink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.dead_letters.eligibility import CutError, Eligibility
from watcher.dead_letters.letter_decoder import DecodedLetter, LetterDecoder
from watcher.dead_letters.row_of_letter import LetterSubjects
from watcher.kafka.dead_letter_topic import StoredDeadLetter
from watcher.model.change import Position
from watcher.model.dead_letter_headers import MAX_MESSAGE_CHARACTERS
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.letter_outcome import LetterOutcome
from watcher.model.metric_rows import MetricRows
from watcher.model.need_reason import NeedReason
from watcher.model.replay import ReplayPlan, token_of
from watcher.model.row_state import RowStates
from watcher.postgres.own import dead_letters, reconcile_needed, repair, replay
from watcher.postgres.own.dead_letters import Tried
from watcher.postgres.own.history import History
from watcher.postgres.session import Session
from watcher.reconcile.repairs.decided_replays import carry_out
from watcher.runtime.failpoint import reach

UNUSABLE: Final = frozenset({LetterOutcome.REFUSED, LetterOutcome.CUT, LetterOutcome.OTHER_HISTORY})
"""What becomes of letters whose rows can still be compared."""

Became = tuple[LetterOutcome, str]
"""What became of a letter, and a word on it."""


class Replayer:
    """Takes letters of one dead-letter topic again.

    Args:
        session: PostgreSQL, as the watcher's role.
        insert: writes changes to ClickHouse.
        states: shows row states.
        decoder: decodes letters, and runs their handlers.
        eligibility: tells which may be taken.
        history: PostgreSQL's present one.
        topic_id: Kafka's id of the dead-letter topic.
        subjects: what letters are about that cannot be used.
        made_by: who replays, for the log.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        session: Session,
        *,
        insert: PlannedInsert[MetricRows, bytes],
        states: StateSink,
        decoder: LetterDecoder,
        eligibility: Eligibility,
        history: History,
        topic_id: str,
        subjects: LetterSubjects,
        made_by: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session, self._insert, self._states = session, insert, states
        self._decoder, self._eligibility, self._history = decoder, eligibility, history
        self._topic_id, self._subjects, self._made_by, self._pause = topic_id, subjects, made_by, pause

    def foresee(self, batch: Sequence[StoredDeadLetter]) -> list[Tried]:
        """Return what would become of some letters now; nothing is written anywhere.

        Raises:
            TemporaryError: a neighbour is away.
        """
        decoded, became = self._decoded(batch)
        for table, some in _by_table(decoded).items():
            before = self._counted_before(table, some)
            became |= {id(one.letter): before.get(id(one.letter), (LetterOutcome.COUNTED, "")) for one in some}
        return self._tried(batch, became, decoded)

    def replay(self, batch: Sequence[StoredDeadLetter]) -> list[Tried]:
        """Take some letters, note what became of them, and return it.

        Raises:
            TemporaryError: a neighbour is away, or a repair of these rows is under way. What was decided is carried
                out by the next run.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        decoded, became = self._decoded(batch)
        self._show(decoded)
        reach("replay.shown")
        for table, some in _by_table(decoded).items():
            became |= self._count(table, some)
        self._need(decoded)
        became |= self._compared(batch, became)
        tried = self._tried(batch, became, decoded)
        reach("replay.noting")
        dead_letters.tried(self._session, self._topic_id, tried, self._made_by)
        return tried

    def finish_open(self, table: str) -> None:
        """Carry out what earlier runs have decided and perhaps not written.

        Raises:
            TemporaryError: a neighbour is away; call again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        carry_out(self._session, self._insert, table, self._pause)

    # -- one batch, step by step --------------------------------------------------------------------------------------

    def _decoded(self, batch: Sequence[StoredDeadLetter]) -> tuple[list[DecodedLetter], dict[int, Became]]:
        """Return the letters that may be taken, decoded, and of each other one why not, by the letter's ``id``."""
        decoded, became = list[DecodedLetter](), dict[int, Became]()
        for letter in batch:
            refusal = self._eligibility.refusal(letter)
            if refusal is None:
                try:
                    each = self._decoder.decode(letter, self._eligibility.value(letter))
                except CutError as error:
                    refusal = LetterOutcome.CUT, str(error)
                else:
                    refusal = self._unfit(each)
                    decoded += [each] if refusal is None else []
            if refusal is not None:
                became[id(letter)] = refusal
        return decoded, became

    def _unfit(self, each: DecodedLetter) -> Became | None:
        """Return why a letter's change must not be carried out; None if it may."""
        if each.error is not None:
            return LetterOutcome.REFUSED, f"{each.error.reason.value}: {each.error.detail}"
        accepted = self._history.accepted.timestamp() * 1000
        if self._history.number > 1 and 0 < each.committed < accepted:
            return LetterOutcome.OTHER_HISTORY, (
                f"committed before history {self._history.number} of PostgreSQL was accepted: what it says may never "
                f"have been in this one; compare with `crucible reconcile --table {each.table} --fix`"
            )
        if not (len(each.rows) or each.taken.states or each.taken.reconcile):
            return LetterOutcome.SKIPPED, ""
        return None

    def _show(self, decoded: Iterable[DecodedLetter]) -> None:
        states = RowStates()
        for each in decoded:
            for crucible, change in each.taken.states.items():
                states[crucible].rows += change.rows
                states[crucible].entries += change.entries
        if states:
            self._states.apply(states, self._history.number)

    def _count(self, table: str, decoded: Sequence[DecodedLetter]) -> dict[int, Became]:
        """Count the changes of a table that nobody has counted; return what became of all of them."""
        with self._session.together():
            repair.alone(self._session, table)
            became = self._decided(table, decoded)
        reach("replay.decided")
        self.finish_open(table)
        return became

    def _counted_before(self, table: str, decoded: Sequence[DecodedLetter]) -> dict[int, Became]:
        """Return what became of those changes that are counted, or that a repair has seen to."""
        present = self._insert.present([one.rows for one in decoded])
        lowest = min(one.lsn for one in decoded)
        decided = replay.decided(self._session, (one.change for one in decoded), lowest)
        covered = repair.covering(self._session, table, {one.key for one in decoded}, lowest)
        became, seen = dict[int, Became](), set[bytes]()
        for one in decoded:
            if one.change in present or one.change in decided:
                became[id(one.letter)] = LetterOutcome.REPEATED, ""
            elif one.lsn <= covered.get(one.key, -1):
                became[id(one.letter)] = LetterOutcome.REPAIRED, "`crucible reconcile --log` says by whom"
            elif one.change in seen:
                became[id(one.letter)] = LetterOutcome.REPEATED, "another of these letters has the same change"
            seen.add(one.change)
        return became

    def _decided(self, table: str, decoded: Sequence[DecodedLetter]) -> dict[int, Became]:
        """Decide to count those changes of a table that nobody has counted; return what becomes of all of them."""
        keys = {one.key for one in decoded}
        if any(keys.intersection(one.keys) for one in repair.open_repairs(self._session, table)):
            raise TemporaryError(
                f"a repair of {table} is under way: run this again when it is done; one that was killed is finished "
                f"by `crucible reconcile --table {table} --fix`"
            )
        became = self._counted_before(table, decoded)
        new = [one for one in decoded if id(one.letter) not in became]
        if new:
            rows = MetricRows(row for one in new for row in one.rows)
            identities = frozenset(one.change for one in new)
            highest, token = max(one.lsn for one in new), token_of(identities)
            plan = ReplayPlan(0, table, self._history.number, highest, identities, token, bytes(rows.packed))
            replay.plan(self._session, plan, self._made_by)
        return became | {id(one.letter): (LetterOutcome.COUNTED, "") for one in new}

    def _need(self, decoded: Iterable[DecodedLetter]) -> None:
        """Note which tables only a comparison can tell, because of what these letters say."""
        needs: dict[ReconcileNeeded, Extent] = {}
        for each in decoded:
            for need, extent in each.taken.needs().items():
                needs[need] = needs[need].then(extent) if need in needs else extent
        awaited = {one.identity: one for each in decoded for one in each.taken.key_changes}
        if awaited:
            rows = MetricRows()
            rows.lsns.extend(one.lsn for one in awaited.values())
            rows.count = len(awaited)
            for identity in awaited.keys() - self._insert.present([rows]):
                change = awaited[identity]
                need, extent = ReconcileNeeded(change.table, NeedReason.KEY_CHANGE), Extent(change.place, change.place)
                needs[need] = needs[need].then(extent) if need in needs else extent
        for need, extent in needs.items():
            reconcile_needed.note(self._session, need.table, need.reason, extent)

    def _compared(self, batch: Iterable[StoredDeadLetter], became: Mapping[int, Became]) -> dict[int, Became]:
        """Return what becomes of letters that cannot be used once their rows were compared, if they are to be."""
        settled, row_of = self._subjects.settled, self._subjects.row_of
        if settled is None:
            return {}
        rows = {
            id(letter): row
            for letter in batch
            if became.get(id(letter), ("",))[0] in UNUSABLE and (row := row_of(letter)) is not None
        }
        found = dict[int, Became]()
        for table in sorted({row.table for row in rows.values()}):
            right = settled(table, {row.key for row in rows.values() if row.table == table})
            for letter, row in rows.items():
                if row.table == table and row.key in right:
                    found[letter] = LetterOutcome.COMPARED, f"row {row.key} and what was counted of it agree"
        return found

    def _tried(
        self, batch: Sequence[StoredDeadLetter], became: Mapping[int, Became], decoded: Iterable[DecodedLetter]
    ) -> list[Tried]:
        tables = {id(one.letter): one.table for one in decoded}
        tried = []
        for letter in batch:
            outcome, message = became.get(id(letter), (LetterOutcome.APPLIED, ""))
            if outcome in UNUSABLE and (row := self._subjects.row_of(letter)) is not None:
                message = f"{message}; --compare has row {row.key} compared instead"
            at = letter.record
            table = tables.get(id(letter)) or self._subjects.table_of(letter)
            where = _storable(str(Position(at.topic, at.partition, at.offset)))
            tried.append(Tried(letter.partition, letter.offset, _storable(table), where, outcome, _storable(message)))
        return tried


def _storable(text: str) -> str:
    r"""Return a text as PostgreSQL takes it: values of the site's that it quotes may have anything in them.

    >>> _storable("a\x00b\ud800")
    'a b?'
    """
    return text.encode("utf-8", "replace").decode().replace("\0", " ")[:MAX_MESSAGE_CHARACTERS]


def _by_table(decoded: Iterable[DecodedLetter]) -> dict[str, list[DecodedLetter]]:
    """Return the letters whose change counts for something, by table."""
    found = defaultdict[str, list[DecodedLetter]](list)
    for each in decoded:
        if len(each.rows):
            found[each.table].append(each)
    return dict(found)
