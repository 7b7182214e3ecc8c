"""The layout of Redis: the names of its keys, and the texts that scripts and readers have to agree on.

The ratings are where the users of this service look for them: ``crucible:42:elo``. Their companions carry that name in
braces, which makes Redis Cluster keep them in the same slot, so that one script may touch them all.

What scripts know of it stands in ``lua/prelude.lua``, into which ``scripts.py`` writes the constants of this module.
Redis holds live data and processes of two versions share it during a deployment, so none of these texts may change.
"""

import re
from typing import Final

from watcher.model.effects import EntryState

STATE: Final = "state"
ENTRIES: Final = "entries"
VOTES: Final = "votes"
LEFT: Final = "left"
STANDINGS: Final = "standings"
ADMITTED: Final = "admitted"
JUDGES: Final = "judges"
LOG: Final = "log"
VERDICTS: Final = "verdicts"
COMPANIONS: Final = (STATE, ENTRIES, VOTES, LEFT, STANDINGS, ADMITTED, JUDGES, LOG, VERDICTS)
"""Companions of which a crucible has one each; scripts know each by its name in capitals."""
POOL: Final = "pool:"
"""What the companions' names begin with of which a crucible has one for each level, ..."""
JUDGED: Final = "judged:"
"""... one for each judge who has voted, ..."""
OPEN: Final = "open:"
"""... and one for each judge who was served pairs."""
OPEN_SECONDS: Final = 7 * 86_400
"""Seconds that a judge's open pairs are kept after the last one was opened; longer than any pair token lives. A judge
who comes back later begins anew, with the skips that everybody begins with."""

MAX_VOTES_AT_ONCE: Final = 64
"""Votes that one call of the script casts. More: others wait longer for Redis meanwhile; fewer: each costs more."""

FROZEN: Final = "frozen"
"""Field of the state: epoch and number of the last vote before the freeze, ``3:100``; absent while votes are taken."""

MARK_HISTORY: Final = "%010d"
"""A mark is the number of PostgreSQL's history that a row's state belongs to, ..."""
MARK_POSITION: Final = "%020d"
"""... and the state's position in that history's log."""
MARK_CHARACTERS: Final = 30
"""Length of a mark, with which an entry's row begins; a row that is nothing else is a tombstone."""
STATE_MARKS: Final = ("mark", "horizon", "unsure")
"""Fields of a crucible's state that are marks: of its own row, and those before which rows' changes are no news."""
ENTRY_ROW: Final = '{"user":%d,"image":%d,"created":%d}'
"""An entry's row after its mark: JSON, and always with just these fields, so that scripts need not parse it."""
STANDING: Final = "%015d:%010d"
"""An entry in the standings: when it was created, in milliseconds since 1970, and its id."""
STANDING_ID_FROM: Final = 16
"""Index of the first character of the id."""

MAX_ID_DIGITS: Final = 15
"""Digits of an id that scripts, which count in floats, can still tell from the next one; PostgreSQL's have ten."""

BUCKETS: Final = 8
"""Drains of the vote log: a crucible belongs to the one of its id modulo this. More: smaller inserts, and more of them;
fewer: less work side by side. Changing it strands open plans, so it is not a setting."""

ADMISSION_SWEEPING: Final = "crucible:admission:sweeping"
"""String: one process sweeps through the admissions. Expires, should that process die."""
ADMISSION_SWEPT: Final = "crucible:admission:swept"
"""String: the next such sweep is not due yet. Expires when it is."""


SITE_FILES: Final = "crucible:site:files"
"""String: which files the site's tables lay in when they were last looked at; a TRUNCATE gives them others."""
MAX_CRUCIBLE_ID: Final = 2**31 - 1
"""No crucible has a higher id, as PostgreSQL numbers them."""
_STATE_OF: Final = re.compile(rb"\{crucible:([1-9]\d{0,9}):elo\}:state")
ALL_STATES: Final = "{crucible:*:elo}:state"
"""Pattern of the states of all crucibles."""


def elo(crucible_id: int) -> str:
    """Return the name of a hash, entry id -> rating.

    >>> elo(42)
    'crucible:42:elo'
    """
    return f"crucible:{crucible_id}:elo"


def tag(crucible_id: int) -> str:
    """Return what the names of all companions begin with.

    >>> tag(42)
    '{crucible:42:elo}:'
    """
    return f"{{crucible:{crucible_id}:elo}}:"


def state(crucible_id: int) -> str:
    """Return the name of a hash: the crucible's row, and how far its votes are.

    The crucible is present if and only if this key is.
    """
    return tag(crucible_id) + STATE


def crucible_of(name: bytes) -> int | None:
    """Return the id of the crucible whose state has this name; None: the key is somebody else's.

    >>> crucible_of(b"{crucible:42:elo}:state"), crucible_of(b"{crucible:test:elo}:state")
    (42, None)
    """
    found = _STATE_OF.fullmatch(name)
    return int(found[1]) if found and int(found[1]) <= MAX_CRUCIBLE_ID else None


def entries(crucible_id: int) -> str:
    """Return the name of a hash, entry id -> mark and row."""
    return tag(crucible_id) + ENTRIES


def verdicts(crucible_id: int) -> str:
    """Return the name of a hash, entry id -> mark, and 1 if the entry takes part or 0."""
    return tag(crucible_id) + VERDICTS


def votes(crucible_id: int) -> str:
    """Return the name of a hash, entry id -> number of votes that it was part of."""
    return tag(crucible_id) + VOTES


def left(crucible_id: int) -> str:
    """Return the name of a hash, entry id -> rating:votes of an entry that is gone and had votes.

    Should it return, it goes on there.
    """
    return tag(crucible_id) + LEFT


def standings(crucible_id: int) -> str:
    """Return the name of a sorted set of admitted entries, in the order of the final ranking."""
    return tag(crucible_id) + STANDINGS


def admitted(crucible_id: int) -> str:
    """Return the name of a hash, entry id -> exact nsfwLevel of its image."""
    return tag(crucible_id) + ADMITTED


def pool(crucible_id: int, level: int) -> str:
    """Return the name of a set of admitted entries of exactly that nsfwLevel."""
    return f"{tag(crucible_id)}{POOL}{level}"


def judges(crucible_id: int) -> str:
    """Return the name of a set of user ids that have voted.

    At a crucible's end it is the last key to expire, see ``ending.py``.
    """
    return tag(crucible_id) + JUDGES


def judged(crucible_id: int, user_id: int) -> str:
    """Return the name of a hash, pair -> the user's outcome for it.

    It also has what a rebuild has packed, see ``unpack.lua``.
    """
    return f"{judged_prefix(crucible_id)}{user_id}"


def judged_prefix(crucible_id: int) -> str:
    """Return what the names of all judges' keys begin with; the user's id follows."""
    return tag(crucible_id) + JUDGED


def open_pairs(crucible_id: int, user_id: int) -> str:
    """Return the name of a hash: what is open to a judge, skipped pairs, leaders met; see ``open.lua``."""
    return f"{tag(crucible_id)}{OPEN}{user_id}"


def log(crucible_id: int) -> str:
    """Return the name of a stream of votes that are not yet in ClickHouse."""
    return tag(crucible_id) + LOG


def verifier_lock(crucible_id: int) -> str:
    """Return the name of a string: the token of the verifier at work; expires by itself."""
    # The verifier was called keeper once. The key keeps that name: a process of that version must find the lock of one
    # of this version, or both compare the same crucible during a deployment.
    return f"{tag(crucible_id)}keeper"


def bucket(crucible_id: int) -> int:
    """Return the number of the drain that a crucible's votes go through."""
    return crucible_id % BUCKETS


def undrained(bucket: int) -> str:
    """Return the name of a set of crucible ids whose log may hold votes.

    It is a hint: an id is added before the vote that makes it true.
    """
    return f"crucible:undrained:{bucket}"


def drain(bucket: int) -> str:
    """Return the name of a string: the bucket's open drain plan."""
    return f"crucible:drain:{bucket}"


def last_beat(schema: str, group: str) -> str:
    """Return the name of a string: the last beat, of those in this schema, that this consumer group has heard."""
    return f"crucible:beat:{schema}:{group}"


def limit(user_id: int, kind: str) -> str:
    """Return the name of a string: how much a user has left of one kind of rate limit."""
    return f"crucible:limit:{user_id}:{kind}"


def is_id(field: bytes) -> bool:
    """Return whether a field's name is an id as we write it; anything else somebody has put there by hand.

    >>> [is_id(one) for one in (b"42", b"0042", b"4.2", b"-1", b"", b"9" * 5_000)]
    [True, False, False, False, False, False]
    """
    return field.isdigit() and len(field) <= MAX_ID_DIGITS and not field.startswith(b"0")


def mark(history: int, lsn: int) -> str:
    """Return a row's place in the log as Redis compares it, see ``row_state.lua``. At position 0 any change is newer.

    >>> mark(1, 4096)
    '000000000100000000000000004096'
    """
    return MARK_HISTORY % history + MARK_POSITION % lsn


def entry_text(place: str, entry: EntryState) -> str:
    """Return an entry as the hash of entries holds it.

    Args:
        place: its mark.
        entry: its row.

    >>> entry_text("", EntryState(42, 1, 7, 5, 1_760_000_000_000))
    '{"user":7,"image":5,"created":1760000000000}'
    """
    return place + ENTRY_ROW % (entry.user_id, entry.image_id, entry.created_at)


def entry_row(text: bytes | None) -> bytes | None:
    """Return the row of an entry as JSON; None if it is gone or was never there.

    Args:
        text: what the hash of entries holds of it.
    """
    return text[MARK_CHARACTERS:] or None if text is not None else None


def standing(created_ms: int, entry_id: int) -> str:
    """Return an entry as the standings hold it: of equal ratings the older one comes first, then the lower id.

    Its score is the rating's negative, so that plain ascending order is the ranking.

    >>> standing(1_760_000_000_000, 7)
    '001760000000000:0000000007'
    """
    return STANDING % (created_ms, entry_id)


def standing_entry_id(member: bytes) -> int:
    """Return the entry's id of a member of the standings.

    >>> standing_entry_id(b"001760000000000:0000000007")
    7
    """
    return int(member[STANDING_ID_FROM:])
