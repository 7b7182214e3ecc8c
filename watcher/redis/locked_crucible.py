"""A crucible in Redis that one verifier has locked: nobody else compares it, and the verifier may close it to votes."""

import secrets
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, cast

import msgspec
from redis.connection import Connection

from watcher.model.errors import TemporaryError
from watcher.model.row_state import FINISHED, KEEP_FINISHED_SECONDS
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_argument, admit_keys
from watcher.redis.client import Client, away_is_temporary, node_connection, node_identity, packed, run_script
from watcher.redis.crucible_lock import LOCK_MS, CrucibleLock, CrucibleLockLostError
from watcher.redis.ending import end_judges
from watcher.redis.scripts import script

CLOSE: Final = script("verifier_close")
CLEAR: Final = script("verifier_clear")
ENTRIES: Final = script("verifier_entries")
OPEN: Final = script("verifier_open")
VERDICTS: Final = script("verifier_verdicts")

MAX_ENTRIES: Final = 500
"""Entries, or judges, of one script call, about a millisecond of Redis' time. Larger: other crucibles' votes wait."""
MAX_PAIRS: Final = 50_000
"""Judged pairs of one transaction, some ten milliseconds of Redis' time; fewer: more waiting for its disk."""


class ClosedState(NamedTuple):
    """What Redis held of a crucible when it was closed."""

    present: bool
    """False also if a rebuild was begun and not finished."""
    epoch: int
    seq: int
    mark: str
    """Of the crucible's own row; empty if none was shown."""
    votes_before: int
    """Votes of the epochs before this one."""
    counted: int
    """Votes that were counted one by one, in all epochs; -1 where nobody has begun to."""

    @property
    def adds_up(self) -> bool:
        """Return whether no more was counted than there are numbers.

        Else a part of a vote is there that was never answered: a Redis was killed while it wrote the vote into its
        file, and the second one after it has carried out what is whole there. Fewer are no such sign: processes of an
        older version do not count.
        """
        return self.counted <= self.votes_before + self.seq


class HeldEntries(NamedTuple):
    """The entries that Redis has heard of."""

    shown: set[int]
    gone: dict[int, str]
    """The marks of those that have left, by entry."""


class EntryWrite(NamedTuple):
    """An entry to be shown."""

    entry_id: int
    read: str
    """What the verifier has read of it: mark and row; empty if nothing."""
    wanted: str
    """What is to be shown: mark and row, or the mark alone."""
    rating: int | None = None
    """None: leave it; an entry that has none goes on where its votes left it, or begins at the base."""
    votes: int = 0


def fence(client: Client, crucible_id: int) -> tuple[str, str]:
    """Return the identity of the process that holds the crucible, and of the one that it was last verified in.

    The second is empty if it never was.

    Raises:
        TemporaryError: Redis is away.
    """
    with away_is_temporary():
        identity = node_identity(client, keys.elo(crucible_id))
        found = cast("bytes | None", client.hget(keys.state(crucible_id), "fence"))
    return identity, (found or b"").decode()


@contextmanager
def lock_crucible(
    client: Client, crucible_id: int, unanswered: MutableMapping[int, str]
) -> Iterator["LockedCrucible | None"]:
    """Give the locked crucible for the length of the block, or None if another verifier has locked it.

    Args:
        client: Redis.
        crucible_id: the crucible.
        unanswered: tokens of locks by crucible that Redis was asked for without an answer. It may have set such a lock
            since, and nobody else knows its token, so it is tried again; changed here.

    Raises:
        TemporaryError: Redis is away.
    """
    token, name = unanswered.pop(crucible_id, "") or secrets.token_hex(8), keys.verifier_lock(crucible_id)
    try:
        with away_is_temporary():
            ours = client.set(name, token, nx=True, px=LOCK_MS) or client.get(name) == token.encode()
    except TemporaryError:
        unanswered[crucible_id] = token
        raise
    if not ours:
        yield None
        return
    locked = LockedCrucible(client, crucible_id, token)
    try:
        yield locked
    finally:
        locked.release()


class LockedCrucible(CrucibleLock):
    """The steps of a crucible's verifier, each of which makes the lock last for a minute more.

    Each raises ``CrucibleLockLostError`` and changes nothing if the lock no longer has this token, and
    ``TemporaryError`` while Redis is away.

    Args:
        client: Redis.
        crucible_id: the crucible.
        token: what its lock holds.
    """

    def __init__(self, client: Client, crucible_id: int, token: str) -> None:
        super().__init__(client, crucible_id, token)
        self._elo, self._state = keys.elo(crucible_id), keys.state(crucible_id)

    def close(self, horizon: str = "", unsure: str = "") -> ClosedState:
        """Refuse votes from now on, and return what Redis held; an absent crucible becomes present.

        Args:
            horizon: mark before which no row's change is news, because its rows are shown as they are before it is
                opened; empty: none is known.
            unsure: the same where some of those changes may be news: who brings one has the crucible compared anew.
        """
        answer = self._run(CLOSE, [self._lock, self._state], horizon, unsure)
        if not answer:
            raise CrucibleLockLostError(self.crucible_id)
        present, epoch, seq, mark, before, counted = answer
        return ClosedState(bool(present), epoch, seq, mark.decode(), before, counted)

    def clear(self, *, unlisted: bool = False) -> None:
        """Take away ratings, votes, standings, admissions, judged pairs and the log, which must be drained.

        Args:
            unlisted: also of judges of whom only outcomes are known. All keys of Redis are looked through for those.
        """
        prefix = keys.judged_prefix(self.crucible_id)
        with away_is_temporary():
            judges = [one.decode() for one in self.client.sscan_iter(keys.judges(self.crucible_id), count=MAX_ENTRIES)]
            if unlisted:
                names = self.client.scan_iter(f"{prefix}*", count=MAX_ENTRIES)
                judges += sorted({name.decode().removeprefix(prefix) for name in names}.difference(judges))
        # The outcomes first: the last call, without judges, takes away the list of who they are.
        for some in (*(judges[at : at + MAX_ENTRIES] for at in range(0, len(judges), MAX_ENTRIES)), []):
            if not self._run(CLEAR, [self._lock, self._state, self._elo], *some):
                raise CrucibleLockLostError(self.crucible_id)

    def exists(self) -> bool:
        """Return whether Redis holds anything of the crucible."""
        with away_is_temporary():
            return bool(self.client.exists(self._state))

    def known_ids(self) -> list[int]:
        """Return the ids of all entries that Redis shows or rates, ascending.

        What is rated and is no entry's id, which only an edit by hand brings there, is gone afterwards.
        """
        rated, strays = set[int](), []
        with away_is_temporary():
            for name, _ in self.client.hscan_iter(self._elo, count=MAX_ENTRIES * 4):
                if keys.is_id(name):
                    rated.add(int(name))
                else:
                    strays.append(name)
            for at in range(0, len(strays), MAX_ENTRIES):
                self.client.hdel(self._elo, *strays[at : at + MAX_ENTRIES])
        return sorted(self.held().shown | rated)

    def held(self) -> HeldEntries:
        """Return all entries that Redis has heard of; a field that is no entry's id is none."""
        held = HeldEntries(set(), {})
        with away_is_temporary():
            for entry_id, text in self.client.hscan_iter(keys.entries(self.crucible_id), count=MAX_ENTRIES * 4):
                if not keys.is_id(entry_id):
                    continue
                if keys.entry_row(text) is None:
                    held.gone[int(entry_id)] = text.decode()
                else:
                    held.shown.add(int(entry_id))
        return held

    def read(self, entry_ids: Sequence[int]) -> dict[int, str]:
        """Return mark and row of each of some entries; empty for one that Redis has not heard of."""
        if not entry_ids:
            return {}
        with away_is_temporary():
            found = cast(
                "list[bytes | None]", self.client.hmget(keys.entries(self.crucible_id), [str(one) for one in entry_ids])
            )
        return {one: (text or b"").decode() for one, text in zip(entry_ids, found, strict=True)}

    def write(self, entries: Sequence[EntryWrite]) -> int:
        """Show entries, and return how many rows changed. A row that has changed since it was read stays."""
        changed = 0
        for at in range(0, len(entries), MAX_ENTRIES):
            names = [self._lock, self._elo, keys.entries(self.crucible_id)]
            answer = self._run(ENTRIES, names, msgspec.msgpack.encode(entries[at : at + MAX_ENTRIES]))
            if answer < 0:
                raise CrucibleLockLostError(self.crucible_id)
            changed += answer
        return changed

    def read_verdicts(self, entry_ids: Sequence[int]) -> dict[int, str]:
        """Return mark and verdict of each of some entries; empty for one of which Redis has heard of none."""
        if not entry_ids:
            return {}
        name = keys.verdicts(self.crucible_id)
        with away_is_temporary():
            found = cast("list[bytes | None]", self.client.hmget(name, [str(one) for one in entry_ids]))
        return {one: (text or b"").decode() for one, text in zip(entry_ids, found, strict=True)}

    def write_verdicts(self, verdicts: Sequence[tuple[int, str, str]]) -> None:
        """Show verdicts: entry, what was read of it, what is to be shown. One that has changed meanwhile stays."""
        names = [self._lock, keys.verdicts(self.crucible_id)]
        for at in range(0, len(verdicts), MAX_ENTRIES):
            if not self._run(VERDICTS, names, msgspec.msgpack.encode(verdicts[at : at + MAX_ENTRIES])):
                raise CrucibleLockLostError(self.crucible_id)

    def admit(self, placements: Sequence[Placement]) -> None:
        """Show placements on entries. As anybody may, this needs no lock."""
        for at in range(0, len(placements), MAX_ENTRIES):
            some = admit_argument(placements[at : at + MAX_ENTRIES])
            run_script(self.client, ADMIT, admit_keys(self.crucible_id), some)

    def write_judged(self, commands: bytes, judges: Sequence[int]) -> None:
        """Write down what judges said of which pairs.

        As one transaction, which Redis writes to its file once; without, it would wait for the disk after every 16 KB.

        Args:
            commands: in Redis' protocol, all for keys of this crucible.
            judges: those that the commands are about.
        """
        known = packed("SADD", keys.judges(self.crucible_id), *judges)
        with away_is_temporary(), node_connection(self.client, self._elo) as connection:
            done: object = None
            while done is None:  # the lock was touched, maybe by our own renewal
                watched = _answers(connection, 2, packed("WATCH", self._lock), packed("GET", self._lock))
                if watched[1] != self.token.encode():
                    raise CrucibleLockLostError(self.crucible_id)
                *_, done = _answers(connection, None, packed("MULTI"), commands, known, packed("EXEC"))

    def open(
        self,
        epoch: int,
        identity: str,
        state: ClosedState,
        mark: str,
        fields: Mapping[str, str],
        *,
        votes_before: int,
        frozen: str = "",
    ) -> None:
        """Accept votes again, unless what was compared is in doubt since, and release the lock.

        Args:
            epoch: of the votes to come.
            identity: of the Redis process that was compared.
            state: what ``close`` returned.
            mark: of the row from now on.
            fields: the crucible's row; that of one that ended, or is gone, expires with all that Redis holds of it.
            votes_before: votes that were numbered in earlier epochs.
            frozen: place of the last vote before its freeze, as Redis holds it; empty if nobody froze it. A freeze that
                Redis knows of stays, but for a place with ``=`` before it.
        """
        row = [part for pair in fields.items() for part in pair]
        seconds = 0 if fields["status"] and fields["status"] not in FINISHED else KEEP_FINISHED_SECONDS
        opened = self._run(
            OPEN, [self._lock, self._state, self._elo],
            epoch, identity, state.mark, mark, votes_before, seconds, frozen, *row,
        )  # fmt: skip
        if not opened:
            raise CrucibleLockLostError(self.crucible_id)
        if opened == 2:
            end_judges(self.client, self.crucible_id)


def _answers(connection: Connection, number: int | None, *words: bytes) -> list[object]:
    """Return what Redis says to some commands.

    Args:
        connection: to the process that holds their keys.
        number: how many commands these are; None: they are a transaction, whose result is the last answer.
        words: the commands, packed.
    """
    connection.send_packed_command(words)  # type: ignore[no-untyped-call]
    answers: list[object] = [connection.read_response()]
    while len(answers) != number if number else isinstance(answers[-1], bytes):  # OK, QUEUED, QUEUED ...
        answers.append(connection.read_response())
    return answers
