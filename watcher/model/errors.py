"""What can go wrong, as a tree. Errors of one module live there.

WatcherError
├── RecordError             one record cannot be used: a dead letter with its reason, the rest flows on
├── TemporaryError          something outside is away: wait and try again
│   ├── RefusedError            ... or is there and says no: somebody has to mend that meanwhile
│   │   └── UnfitError              ... so that no process starts with it; one that runs waits
│   │       ├── SchemaPendingError
│   │       ├── PostgresRefusedError    postgres/faults
│   │       │   └── SplitTransactionsError  postgres/faults
│   │       ├── ColumnTypeError         clickhouse/columns
│   │       ├── PinnedSettingError      clickhouse/pinned_settings
│   │       └── ViolationError          postgres/faults: values break a rule of the database
│   ├── RequestNotSentError     runtime/http_client
│   │   └── BadAddressError         runtime/http_client
│   ├── OutcomeUnknownError     runtime/http_client
│   ├── CrucibleLockLostError   redis/crucible_lock
│   ├── EntriesMovedError       settlement/faults
│   ├── DeletedMeanwhileError   recovery/closed_crucible
│   ├── DrainTimeoutError       votes/drain
│   ├── LockLostError           postgres/held_lock
│   ├── BackfillBusyError       bootstrap/backfilling
│   ├── ReplayBusyError         bootstrap/meaning
│   ├── StatementTimeoutError   postgres/faults
│   └── PoolBusyError           postgres/pool
├── StopError               going on would lose or double something: stop, say what to do
│   ├── OffsetGoneError
│   ├── OffsetLostError
│   ├── OffsetWentBackError
│   ├── PlanUnreadableError
│   ├── TopicReplacedError
│   ├── HistoryChangedError
│   ├── DeadLetterLimitError
│   ├── SinkDisagreesError
│   │   └── ViewsDisagreeError      clickhouse/planned_insert
│   ├── MigrationError          migrations/ledger
│   ├── ReplayDiffersError      recovery/replay
│   ├── VotesOnlyInRedisError   recovery/verifier
│   ├── StreamStandsError       reconcile/repairs/stream
│   ├── BackfillPausedError     reconcile/backfill/counting
│   │   └── BackfillEndedError      reconcile/backfill/counting
│   ├── NotBroughtError         reconcile/backfill/by_connector
│   ├── NoSignalsError          bootstrap/backfilling_by_connector
│   ├── OtherWayError           bootstrap/backfilling
│   ├── NoTopicError            bootstrap/meaning
│   └── ResetRefusedError       admin/offsets
├── ConnectRefusedError     admin/connector/rest: Kafka Connect says no
├── ConnectorFileError      admin/connector/file
├── ConnectorInvalidError   admin/connector/plan
├── ConnectorFailedError    admin/connector/apply
├── NoConnectorError        admin/connector/running
├── ConnectorRestsError     admin/connector/running: what was put to rest does not restart
├── NoSuchTableError        admin/table_pauses: what cannot be paused
├── NoticeRefusedError      notify/port: nobody is told
├── ParkedError             settlement/faults: an ending waits for somebody to look
├── OvertakenError          settlement/faults: another process was faster
├── TooLateError            settlement/cancelling: there is a result already
└── BuzzRefusedError        buzz/port: Buzz says no
    └── InsufficientFundsError  buzz/port
"""

from enum import Enum

from watcher.model.change import Position


class Reason(Enum):
    """Why a record became a dead letter. A closed set: it labels a counter."""

    NOT_JSON = "not_json"
    NOT_AVRO = "not_avro"
    NOT_AN_ENVELOPE = "not_an_envelope"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_OPERATION = "unknown_operation"
    BAD_ROW = "bad_row"
    INCOMPLETE_ROW = "incomplete_row"
    BAD_SOURCE = "bad_source"
    HANDLER = "handler"


class WatcherError(Exception):
    """Anything that the watcher raises on purpose."""


class RecordError(WatcherError):
    """One record cannot be used, however often it is tried."""

    def __init__(self, reason: Reason, detail: str, table: str = "", op: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.table, self.op = table, op


class TemporaryError(WatcherError):
    """A neighbour is away or busy; the same call may go through later."""


class RefusedError(TemporaryError):
    """A neighbour is there and refuses: a password, name or right. The same call goes through once that is mended."""


class UnfitError(RefusedError):
    """A neighbour is there, and not as the process needs it. A start ends with it; a process that runs waits.

    Who starts is looked at by somebody, or by a supervisor that tries again; what runs has other work, which goes on.
    """


class StopError(WatcherError):
    """Going on would lose or double something. The daemon stops and says what to do."""


class OffsetGoneError(StopError):
    """The group has run before, and its place in the topic is gone."""

    def __init__(self, group: str, topic: str, partition: int, detail: str) -> None:
        super().__init__(
            f"group {group} has read {topic}[{partition}] before, but {detail}. Nothing is counted twice when it "
            f"reads again from the start: run `crucible offsets reset --topic {topic} --to earliest`, then start "
            "the watcher. "
            "If records were deleted before they were read, compare with PostgreSQL afterwards"
        )


class OffsetLostError(StopError):
    """The broker no longer has the offset that the group would read next."""

    def __init__(self, position: Position) -> None:
        super().__init__(f"{position} is gone")
        self.position = position


class OffsetWentBackError(StopError):
    """The client delivered an offset again without being told to."""

    def __init__(self, partition: int, expected: int, found: int) -> None:
        super().__init__(
            f"partition {partition} delivered offset {found}, expected {expected} or higher; restart to resume there"
        )


class PlanUnreadableError(StopError):
    """The records of an open plan are no longer in the topic."""

    def __init__(self, topic: str, partition: int, plan: tuple[int, int], held: tuple[int, int]) -> None:
        super().__init__(
            f"{topic}[{partition}] has an open plan of offsets {plan[0]} to {plan[1]}, but the topic holds only "
            f"{held[0]} to {held[1]}. Run `crucible offsets reset --topic {topic} --to earliest` to go on with what "
            "there is, then compare with PostgreSQL"
        )


class TopicReplacedError(StopError):
    """A topic of the same name took the place of the one that the group has read."""

    def __init__(self, partition: int, expected: str, found: str, topic: str = "") -> None:
        self.partition, self.expected, self.found = partition, expected, found
        super().__init__(
            f"{topic or 'the topic'}[{partition}] has id {found}, the group's offsets belong to id {expected}: the "
            f"topic was made anew. Run `crucible offsets reset --topic {topic or 'TOPIC'} --to earliest`; what was "
            "counted before is recognised and not counted again"
        )


class HistoryChangedError(StopError):
    """PostgreSQL's log positions may have fallen: a restore, a failover or a new cluster."""


class SchemaPendingError(UnfitError):
    """A store's tables are older than this program."""


class DeadLetterLimitError(StopError):
    """More dead letters than a few bad records explain: more likely a bad deploy than bad input."""


class SinkDisagreesError(StopError):
    """ClickHouse shows something else than was written, and writing it again did not help."""
