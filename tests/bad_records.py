"""Records that must be refused, each with the reason, made from captured ones."""

from tests.capture.envelopes import load
from tests.change_events import altered
from watcher.model.errors import Reason

CREATE = load("CrucibleEntry.create").value or b""
UPDATE = load("CrucibleEntry.update").value or b""
DELETE = load("CrucibleEntry.delete").value or b""
CONTEST = load("Crucible.update").value or b""
WRAPPED = load("CrucibleEntry.create_with_schema").value or b""
INT32 = 2**31
DEEP = b"[" * 100_000

BAD: dict[str, tuple[bytes, Reason]] = {
    "text": (b"hello", Reason.NOT_JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + CREATE, Reason.NOT_JSON),
    "two records in one": (CREATE + CREATE, Reason.NOT_JSON),
    "broken UTF-8 in a column": (CONTEST.replace(b"Landscapes", b"\xff\xfe"), Reason.NOT_JSON),
    "broken UTF-8 in the table's name": (CREATE.replace(b"CrucibleEntry", b"\xff"), Reason.NOT_JSON),
    "half a surrogate pair": (CONTEST.replace(b"Landscapes", b"\\udc00"), Reason.NOT_JSON),
    "nested too deep": (b'{"a":' * 100_000, Reason.NOT_JSON),
    "nested too deep in a column": (CONTEST.replace(b'"Landscapes"', DEEP), Reason.NOT_JSON),
    "nested too deep in a column nobody reads": (CREATE.replace(b'"score":1500', b'"score":' + DEEP), Reason.NOT_JSON),
    "a number": (b"5", Reason.NOT_AN_ENVELOPE),
    "null": (b"null", Reason.NOT_AN_ENVELOPE),
    "an array": (b"[]", Reason.NOT_AN_ENVELOPE),
    "an empty object": (b"{}", Reason.NOT_AN_ENVELOPE),
    "a number in a wrapper": (b'{"schema":{},"payload":5}', Reason.NOT_AN_ENVELOPE),
    "a wrapper in a wrapper": (b'{"payload":{"payload":' + CREATE + b"}}", Reason.NOT_AN_ENVELOPE),
    "a flat row": (b'{"id":1,"crucibleId":1,"userId":2}', Reason.NOT_AN_ENVELOPE),
    "no operation": (altered(CREATE, "op", drop=True), Reason.NOT_AN_ENVELOPE),
    "an unknown operation": (altered(CREATE, "op", to="x"), Reason.UNKNOWN_OPERATION),
    "an operation of another type": (altered(CREATE, "op", to=["c"]), Reason.UNKNOWN_OPERATION),
    "an unknown table": (altered(CREATE, "source", "table", to="NoSuchTableOfOurs"), Reason.UNKNOWN_TABLE),
    "a table of another schema": (altered(CREATE, "source", "schema", to="archive"), Reason.UNKNOWN_TABLE),
    "a schema that is null": (altered(CREATE, "source", "schema", to=None), Reason.UNKNOWN_TABLE),
    "no table": (altered(CREATE, "source", "table", drop=True), Reason.UNKNOWN_TABLE),
    "no source": (altered(CREATE, "source", drop=True), Reason.UNKNOWN_TABLE),
    "no log position": (altered(CREATE, "source", "lsn", drop=True), Reason.BAD_SOURCE),
    "a log position below zero": (altered(CREATE, "source", "lsn", to=-1), Reason.BAD_SOURCE),
    "a log position beyond 2^53": (altered(CREATE, "source", "lsn", to=2**53), Reason.BAD_SOURCE),
    "a log position in words": (altered(CREATE, "source", "lsn", to="0/23"), Reason.BAD_SOURCE),
    "no commit time": (altered(CREATE, "source", "ts_ms", drop=True), Reason.BAD_SOURCE),
    "a commit in the year 2300": (altered(CREATE, "source", "ts_ms", to=10_413_792_000_000), Reason.BAD_SOURCE),
    "a commit in the year 1899": (altered(CREATE, "source", "ts_ms", to=-2_208_988_800_001), Reason.BAD_SOURCE),
    "microseconds beyond reason": (altered(CREATE, "source", "ts_us", to=10**18), Reason.BAD_SOURCE),
    "a create without its row": (altered(CREATE, "after", to=None), Reason.INCOMPLETE_ROW),
    "an update without its old row": (altered(UPDATE, "before", to=None), Reason.INCOMPLETE_ROW),
    "an update without its new row": (altered(UPDATE, "after", to=None), Reason.INCOMPLETE_ROW),
    "a delete without its row": (altered(DELETE, "before", to=None), Reason.INCOMPLETE_ROW),
    "an old row of nothing but its key": (altered(DELETE, "before", to={"id": 1}), Reason.INCOMPLETE_ROW),
    "an old row of nulls": (altered(DELETE, "before", to=dict.fromkeys(("id", "userId"))), Reason.INCOMPLETE_ROW),
    "a row of nulls": (altered(CREATE, "after", to=dict.fromkeys(("id", "userId"))), Reason.BAD_ROW),
    "a row that is a list": (altered(CREATE, "after", to=[1, 2, 3]), Reason.BAD_ROW),
    "a missing column": (altered(CREATE, "after", "userId", drop=True), Reason.BAD_ROW),
    "a text for a number": (altered(CREATE, "after", "userId", to="2"), Reason.BAD_ROW),
    "a fraction for a number": (altered(CREATE, "after", "userId", to=2.5), Reason.BAD_ROW),
    "an id of zero": (altered(CREATE, "after", "id", to=0), Reason.BAD_ROW),
    "an id beyond Int32": (altered(CREATE, "after", "id", to=INT32), Reason.BAD_ROW),
    "a user beyond Int32": (altered(CREATE, "after", "userId", to=INT32), Reason.BAD_ROW),
    "a user beyond 64 bits": (altered(CREATE, "after", "userId", to=10**30), Reason.BAD_ROW),
    "infinity in microseconds": (altered(CREATE, "after", "createdAt", to=2**63 - 1), Reason.BAD_ROW),
    "a moment in words": (altered(CREATE, "after", "createdAt", to="2026-11-30T02:32:28Z"), Reason.BAD_ROW),
    "an empty status": (altered(CONTEST, "after", "status", to=""), Reason.BAD_ROW),
    "in a wrapper, a missing column": (altered(WRAPPED, "payload", "after", "userId", drop=True), Reason.BAD_ROW),
    "Avro without a registry": (b"\x00\x00\x00\x00\x06abc", Reason.UNKNOWN_SCHEMA),
}
