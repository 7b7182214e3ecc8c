"""A crucible in Redis, as its verifier handles it: one verifier at a time, and votes refused meanwhile."""

import secrets
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, cast

import msgspec
import structlog
from redis.connection import Connection

from watcher.model.errors import TemporaryError
from watcher.model.row_state import FINISHED, KEEP_FINISHED_SECONDS
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_argument, admit_keys
from watcher.redis.client import Client, away_is_temporary, node_connection, node_identity, packed, run_script
from watcher.redis.ending import end_judges
from watcher.redis.scripts import Script, script
from watcher.runtime.deadline import Deadline
from watcher.runtime.worker import Signal, Task, Worker

log = structlog.get_logger(__name__)

CLOSE: Final = script("verifier_close")
CLEAR: Final = script("verifier_clear")
ENTRIES: Final = script("verifier_entries")
OPEN: Final = script("verifier_open")
RENEW: Final = script("verifier_renew")
RELEASE: Final = script("delete_if_same")

TURN_MS: Final = 60_000
"""Milliseconds that a verifier has from one step to its next. Longer: a crucible whose verifier died stays closed for
longer; shorter: a slow question to ClickHouse takes it out of the verifier's hands."""
RENEW_SECONDS: Final = TURN_MS / 4000
"""Between two renewals while somebody else is waited for. Longer: Redis may be away for less of a turn."""
PORTION: Final = 500
"""Entries of one script call, about a millisecond of Redis' time. Larger: other crucibles' votes wait."""
PAIRS: Final = 50_000
"""Judged pairs of one transaction, some ten milliseconds of Redis' time; fewer: more waiting for its disk."""


class VerifierLostError(TemporaryError):
    """Somebody else keeps the crucible now: this verifier took too long."""

    def __init__(self, crucible_id: int) -> None:
        super().__init__(f"crucible {crucible_id} is in another verifier's hands; what this one began is done there")


class Seen(NamedTuple):
    """What Redis held when the crucible was closed."""

    present: bool
    """False also if a rebuild was begun and not finished."""
    epoch: int
    seq: int
    mark: str
    """Empty if it shows no row."""
    before: int
    """Votes of the epochs before this one."""


class EntryWrite(NamedTuple):
    """An entry to be shown."""

    entry_id: int
    read: str
    """What the verifier has read of it: mark and row; empty if nothing."""
    wanted: str
    rating: int | None = None
    """None: leave it; an entry that has none goes on where its votes left it, or begins at the base."""
    votes: int = 0


def fence(client: Client, crucible_id: int) -> tuple[str, str]:
    """The identity of the process that holds the crucible, and the one that it was last verified in (empty if none).

    Raises:
        TemporaryError: Redis is away.
    """
    with away_is_temporary():
        identity = node_identity(client, keys.elo(crucible_id))
        found = cast("bytes | None", client.hget(keys.state(crucible_id), "fence"))
    return identity, (found or b"").decode()


@contextmanager
def lock_crucible(
    client: Client, crucible_id: int, doubtful: MutableMapping[int, str]
) -> Iterator["LockedCrucible | None"]:
    """Become the crucible's verifier for the length of the block; None if somebody else is.

    Args:
        client: Redis.
        crucible_id: the crucible.
        doubtful: tokens of locks that Redis was asked for and did not answer; it may have given one of them since.

    Raises:
        TemporaryError: Redis is away.
    """
    token, name = doubtful.pop(crucible_id, "") or secrets.token_hex(8), keys.verifier_lock(crucible_id)
    try:
        with away_is_temporary():
            ours = client.set(name, token, nx=True, px=TURN_MS) or client.get(name) == token.encode()
    except TemporaryError:
        doubtful[crucible_id] = token
        raise
    if not ours:
        yield None
        return
    one = LockedCrucible(client, crucible_id, token)
    try:
        yield one
    finally:
        one.leave()


class LockedCrucible:
    """One crucible in a verifier's hands. Every step raises ``VerifierLostError`` once somebody else has taken it over.

    Args:
        client: Redis.
        crucible_id: the crucible.
        token: what the lock holds.
    """

    def __init__(self, client: Client, crucible_id: int, token: str) -> None:
        self.client, self.crucible_id, self.token = client, crucible_id, token
        self._elo = keys.elo(crucible_id)

    def close(self) -> Seen:
        """Refuse votes from now on; an absent crucible becomes present."""
        answer = self._run(CLOSE, [keys.verifier_lock(self.crucible_id), keys.state(self.crucible_id)])
        if not answer:
            raise VerifierLostError(self.crucible_id)
        present, epoch, seq, mark, before = answer
        return Seen(bool(present), epoch, seq, mark.decode(), before)

    def renew(self) -> None:
        """Say that this verifier is still at work."""
        if not self._run(RENEW, [keys.verifier_lock(self.crucible_id)]):
            raise VerifierLostError(self.crucible_id)

    def clear(self) -> None:
        """Take away ratings, votes, standings, admissions, judged pairs and the log, which must be drained."""
        with away_is_temporary():
            judges = [one.decode() for one in self.client.sscan_iter(keys.judges(self.crucible_id), count=PORTION)]
        names = [keys.verifier_lock(self.crucible_id), keys.state(self.crucible_id), self._elo]
        # The outcomes first: the last call, without judges, takes away the list of who they are.
        for some in (*(judges[at : at + PORTION] for at in range(0, len(judges), PORTION)), []):
            if not self._run(CLEAR, names, *some):
                raise VerifierLostError(self.crucible_id)

    def shown_ids(self) -> list[int]:
        """Ids of all entries that Redis has heard of, ascending."""
        with away_is_temporary():
            found = self.client.hscan_iter(keys.entries(self.crucible_id), count=PORTION * 4)
            return sorted({int(entry_id) for entry_id, row in found if len(row) > keys.MARK_CHARACTERS})

    def read(self, entry_ids: Sequence[int]) -> dict[int, str]:
        """Mark and row of some entries; empty for one that Redis has not heard of."""
        if not entry_ids:
            return {}
        with away_is_temporary():
            found = cast(
                "list[bytes | None]", self.client.hmget(keys.entries(self.crucible_id), [str(one) for one in entry_ids])
            )
        return {one: (text or b"").decode() for one, text in zip(entry_ids, found, strict=True)}

    def write(self, entries: Sequence[EntryWrite]) -> int:
        """Show entries; returns how many rows changed. A row that has changed since it was read stays."""
        changed = 0
        for at in range(0, len(entries), PORTION):
            names = [keys.verifier_lock(self.crucible_id), self._elo, keys.entries(self.crucible_id)]
            some = msgspec.msgpack.encode(entries[at : at + PORTION])
            answer = self._run(ENTRIES, names, some)
            if answer < 0:
                raise VerifierLostError(self.crucible_id)
            changed += answer
        return changed

    def admit(self, placements: Sequence[Placement]) -> None:
        """Show placements on entries."""
        for at in range(0, len(placements), PORTION):
            run_script(self.client, ADMIT, admit_keys(self.crucible_id), admit_argument(placements[at : at + PORTION]))

    def judged(self, commands: bytes, judges: Sequence[int]) -> None:
        """Write down what judges said of which pairs, unless somebody else keeps the crucible.

        As one transaction, which Redis writes to its file once; without, it would wait for the disk after every 16 KB.

        Args:
            commands: in Redis' protocol, all for keys of this crucible.
            judges: those that the commands are about.
        """
        lock = keys.verifier_lock(self.crucible_id)
        known = packed("SADD", keys.judges(self.crucible_id), *judges)
        with away_is_temporary(), node_connection(self.client, self._elo) as connection:
            done: object = None
            while done is None:  # the lock was touched, maybe by our own renewal
                if _answers(connection, 2, packed("WATCH", lock), packed("GET", lock))[1] != self.token.encode():
                    raise VerifierLostError(self.crucible_id)
                *_, done = _answers(connection, None, packed("MULTI"), commands, known, packed("EXEC"))

    def held(self) -> bool:
        """Whether Redis holds anything of it."""
        with away_is_temporary():
            return bool(self.client.exists(keys.state(self.crucible_id)))

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Stay its verifier while the block waits for somebody else, for whom one turn may not be enough."""
        renewal = Worker("verifier-renews", _Renewal(self), _log_failure)
        renewal.start()
        try:
            yield
        finally:
            renewal.close(Deadline.never())

    def open(self, epoch: int, identity: str, seen: Seen, mark: str, fields: Mapping[str, str], *, before: int) -> None:
        """Accept votes again, and stop being the verifier.

        Args:
            epoch: of the votes to come.
            identity: of the Redis process that was compared.
            seen: what ``close`` found.
            mark: of the row, where Redis shows none yet.
            fields: the crucible's row; that of one that ended, or is gone, expires with all that Redis holds of it.
            before: votes that were numbered in earlier epochs.
        """
        names = [keys.verifier_lock(self.crucible_id), keys.state(self.crucible_id), self._elo]
        row = [part for pair in fields.items() for part in pair]
        lives = 0 if fields["status"] and fields["status"] not in FINISHED else KEEP_FINISHED_SECONDS
        opened = self._run(OPEN, names, epoch, identity, seen.mark, seen.mark or mark, before, lives, *row)
        if not opened:
            raise VerifierLostError(self.crucible_id)
        if opened == 2:
            end_judges(self.client, self.crucible_id)

    def leave(self) -> None:
        """Stop being the verifier, if this is still it."""
        run_script(self.client, RELEASE, [keys.verifier_lock(self.crucible_id)], self.token)

    def _run(self, what: Script, names: Sequence[str], *arguments: Any) -> Any:
        return run_script(self.client, what, names, self.token, TURN_MS, *arguments)


def _log_failure(error: BaseException) -> None:
    log.error("verifier.not_renewed", error=f"{type(error).__name__}: {error}")


class _Renewal(Task):
    """Says again and again that a crucible's verifier is at work."""

    def __init__(self, locked: LockedCrucible) -> None:
        self.signal, self._locked = Signal(), locked

    def turn(self) -> float:
        """Renew the lock, and return the seconds until it is to be renewed again."""
        with suppress(TemporaryError):  # whoever has lost it is told so by the next step
            self._locked.renew()
        return RENEW_SECONDS


def _answers(connection: Connection, number: int | None, *words: bytes) -> list[object]:
    """What Redis says to some commands; without a number, to those of a transaction, up to what it came to."""
    connection.send_packed_command(words)  # type: ignore[no-untyped-call]
    answers: list[object] = [connection.read_response()]
    while len(answers) != number if number else isinstance(answers[-1], bytes):  # OK, QUEUED, QUEUED ...
        answers.append(connection.read_response())
    return answers
