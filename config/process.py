"""What a process is, how it begins and ends, batches, and says what it does."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.addresses import Host
from config.group import Group, Seconds
from config.neighbours import Topic


class BatchSettings(Group):
    """How change events become ClickHouse inserts."""

    flush_interval: Seconds = 0.7
    """Seconds that a change waits at most before its batch is planned. Smaller: fresher, more and smaller parts for
    ClickHouse to merge. Larger: fewer parts, staler numbers."""
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Rows of one insert. Above ClickHouse's ``max_insert_block_size`` an insert would be two blocks and no longer
    atomic, hence the bound."""
    max_pending_rows: Annotated[int, Field(ge=1, le=50_000_000)] = 1_000_000
    """Rows held in memory for ClickHouse, over all partitions (about 150 bytes each). Reading pauses above, and goes
    on below half."""
    poll_records: Annotated[int, Field(ge=1, le=100_000)] = 8_000
    """Records of one poll. Larger: cheaper per record; the loop turns more slowly."""
    poll_timeout: Seconds = 0.2
    """Seconds from one poll that brought records to the next. A record that comes alone is taken at once; of many that
    come one by one, those of so many seconds are taken together. Larger: less work; Redis is half of it staler."""

    @model_validator(mode="after")
    def _a_batch_fits(self) -> Self:
        if self.max_pending_rows < self.max_rows:
            raise ValueError(f"max_pending_rows must be at least max_rows, {self.max_rows}: one batch has to fit")
        return self


class DeadLetterSettings(Group):
    """Where refused records go, and when to stop instead."""

    topic: Topic = "crucible-watcher.dlq"
    """Dead-letter topic; made before the first letter, with one partition and without a retention, unless it exists."""
    consecutive: Annotated[int, Field(ge=1)] = 1_000
    """Dead letters in a row that are still believed to be the records' fault."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of dead letters among the last ``window`` records that is still believed."""
    window: Annotated[int, Field(ge=1)] = 10_000
    """Records over which the share is taken."""


class OpsSettings(Group):
    """Where probes and metrics are served."""

    host: Host = "0.0.0.0"  # noqa: S104 - a probe comes from outside the container
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464
    """Port of ``/livez``, ``/readyz`` and ``/metrics``; 0 picks a free one and logs it."""
    loop_deadline: Seconds = 60.0
    """Seconds without a turn of the consumer loop until ``/livez`` fails."""
    stalled_after: Seconds = 120.0
    """Seconds without a record or heartbeat until a stream counts as stalled; several heartbeat intervals."""


class LogSettings(Group):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written."""
    format: Literal["auto", "console", "json"] = "auto"
    """``auto``: console on a terminal, one JSON object a line elsewhere."""


class RunSettings(Group):
    """What this process is, and how it begins and ends."""

    role: Literal["watch", "api", "settle", "all"] = "watch"
    """``watch`` follows the change streams, ``api`` takes votes, ``settle`` moves money, ``all`` does everything in one
    process (``settle`` where settle.dsn is set): handy, but they share one interpreter and all secrets, so in
    production run three."""

    shutdown_deadline: Seconds = 25.0
    """Seconds after SIGTERM until nobody is waited for any more. All that ends shares them: what was taken is finished,
    then workers have what is left. Shorter: more is left for the next process to finish. Longer: connections, which are
    closed afterwards, need some of the 30 after which Kubernetes kills."""
