"""What a site did to its entries, in order: the records that Debezium would send, and what must have come of them.

Nothing here is the watcher's: the expected rows, totals and ratings are worked out from the changes themselves.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

FIRST_LSN = 24_000_000
FIRST_COMMIT_US = 1_767_225_600_000_000
STEP_US = 2_000
WRITE_BYTES = 264
"""Bytes of log between two changes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of CrucibleEntry."""

    entry: int
    crucible: int
    user: int

    def columns(self) -> dict[str, int | None]:
        """As the table has them; some are of no interest to the watcher."""
        return {
            "id": self.entry,
            "crucibleId": self.crucible,
            "userId": self.user,
            "imageId": self.entry + 9,
            "score": 1500,
            "voteCount": 0,
            "position": None,
            "buzzTransactionId": None,
            "createdAt": FIRST_COMMIT_US // 1000 + self.entry,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of one row."""

    op: str
    before: Row | None
    after: Row | None
    lsn: int
    committed_us: int

    @property
    def entry(self) -> int:
        """The row's key."""
        row = self.after or self.before
        assert row is not None
        return row.entry

    @property
    def key(self) -> bytes:
        """The record's key."""
        return b'{"id":%d}' % self.entry

    @property
    def value(self) -> bytes:
        """The record's value: the envelope as the connector sends it, without whitespace."""
        ms = self.committed_us // 1000
        source = {
            "version": "3.7.0.Final",
            "connector": "postgresql",
            "name": "crucible",
            "ts_ms": ms,
            "snapshot": "false",
            "db": "crucible",
            "sequence": f'["{self.lsn}","{self.lsn}"]',
            "ts_us": self.committed_us,
            "ts_ns": self.committed_us * 1000,
            "schema": "public",
            "table": "CrucibleEntry",
            "txId": 700,
            "lsn": self.lsn,
            "xmin": None,
        }
        envelope = {
            "before": self.before.columns() if self.before else None,
            "after": self.after.columns() if self.after else None,
            "source": source,
            "transaction": None,
            "op": self.op,
            "ts_ms": ms + 9,
        }
        return json.dumps(envelope, separators=(",", ":")).encode()

    def counted(self) -> Iterator[tuple[str, int, int, str, int, int, int]]:
        """The rows that it must leave in ClickHouse, as entity, metric, value and origin."""
        before, after = self.before, self.after
        if before and after and (before.crucible, before.user) == (after.crucible, after.user):
            return
        for row, sign in ((before, -1), (after, +1)):
            if row is not None:
                yield "Crucible", row.crucible, row.user, "Entry", sign, row.entry, self.lsn
                yield "User", row.user, row.user, "crucibleEntryCount", sign, row.entry, self.lsn


@dataclass(slots=True)
class History:
    """A site at work. Deterministic: the same calls give the same changes."""

    crucibles: int = 20
    users: int = 50
    changes: list[Change] = field(default_factory=list)
    living: dict[int, Row] = field(default_factory=dict)
    _entries: int = 0
    _lsn: int = FIRST_LSN

    def work(self, count: int) -> list[Change]:
        """So many changes: mostly new entries, and now and then one withdrawn, moved, or given a score."""
        begun = len(self.changes)
        while len(self.changes) - begun < count:
            match len(self.changes) % 10:
                case 5:
                    self.move(self._oldest())
                case 7:
                    self.score(self._oldest())
                case 9:
                    self.withdraw(self._oldest())
                case _:
                    self.insert()
        return self.changes[begun:]

    def insert(self) -> Change:
        """A new entry."""
        self._step()
        return self._created()

    def copy(self, count: int) -> list[Change]:
        """New entries by one COPY: different keys, one place in the log, one commit."""
        self._step()
        return [self._created() for _ in range(count)]

    def move(self, entry: int) -> Change:
        """The entry goes to another crucible."""
        before = self.living[entry]
        return self._changed("u", before, Row(entry, before.crucible % self.crucibles + 1, before.user))

    def score(self, entry: int) -> Change:
        """A column changes that counts for nothing."""
        return self._changed("u", self.living[entry], self.living[entry])

    def withdraw(self, entry: int) -> Change:
        """The entry is deleted."""
        return self._changed("d", self.living[entry], None)

    def rows(self) -> Counter[tuple[str, int, int, str, int, int, int]]:
        """What the raw table must hold."""
        return Counter(row for change in self.changes for row in change.counted())

    def totals(self) -> dict[tuple[str, int, str], int]:
        """What each view must show."""
        totals: Counter[tuple[str, int, str]] = Counter()
        for kind, entity, _, metric, value, *_ in self.rows().elements():
            totals[kind, entity, metric] += value
        return dict(totals)

    def ratings(self) -> dict[int, dict[int, int]]:
        """What Redis must show: entries and ratings by crucible."""
        shown: dict[int, dict[int, int]] = {number: {} for number in range(1, self.crucibles + 1)}
        for row in self.living.values():
            shown[row.crucible][row.entry] = 1500
        return shown

    def _oldest(self) -> int:
        return next(iter(self.living))

    def _step(self) -> None:
        self._lsn += WRITE_BYTES

    def _created(self) -> Change:
        self._entries += 1
        row = Row(self._entries, self._entries % self.crucibles + 1, self._entries * 7 % self.users + 1)
        return self._note(Change("c", None, row, self._lsn, self._committed()))

    def _changed(self, op: str, before: Row, after: Row | None) -> Change:
        self._step()
        return self._note(Change(op, before, after, self._lsn, self._committed()))

    def _committed(self) -> int:
        return FIRST_COMMIT_US + (self._lsn - FIRST_LSN) // WRITE_BYTES * STEP_US

    def _note(self, change: Change) -> Change:
        self.living.pop(change.entry, None)
        if change.after is not None:
            self.living[change.entry] = change.after
        self.changes.append(change)
        return change
