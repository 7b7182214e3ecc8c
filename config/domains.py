"""How votes, entries, endings and what follows from them are seen to."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from config.addresses import HttpAddress, PostgresAddress
from config.group import Group, Seconds
from config.neighbours import Identifier


class AdmissionSettings(Group):
    """Which entries judges may see."""

    sweep_interval: Seconds = 60.0
    """Seconds between two looks at the images of every entry that takes part, of all processes together. Shorter: an
    image that was hidden leaves the standings sooner, for more work of the site's database (a query per 20,000
    entries). It is never served in a pair: those are looked at once more."""


class VotesSettings(Group):
    """What becomes of votes after they count: the drain to ClickHouse, and the verifier of what Redis shows."""

    drain_interval: Seconds = 0.25
    """Seconds between two looks for votes to take to ClickHouse. Smaller: fresher numbers there, and less to lose if
    Redis is lost with its files; larger: fewer and larger inserts."""
    max_plan_votes: Annotated[int, Field(ge=1, le=200_000)] = 20_000
    """Votes of one insert, and hence in memory at a time (about a kilobyte each)."""
    verify_interval: Seconds = 60.0
    """Seconds between two looks at whether Redis holds every active crucible as it was last verified."""


class EntriesSettings(Group):
    """Which entries take part, and what becomes of their fees."""

    mode: Literal["enforce", "observe"] = "enforce"
    """``enforce`` keeps out who breaks a rule of the crucible, and gives fees back. ``observe`` writes and counts
    verdicts, keeps nobody out, and takes and gives back nothing: to see first what it would do beside a site that
    checks by itself."""
    charge: bool = False
    """Take the fee of entries that the site has not charged ("buzzTransactionId" is not set), in the role ``settle``.
    Off, such an entry is rejected as unpaid where the crucible has a fee."""
    sweep_interval: Seconds = 60.0
    """Seconds between two looks at all entries of all active crucibles, for images that were changed and whatever the
    change stream did not tell of. New entries do not wait for it. Shorter: changes take hold sooner, for more work of
    the site's database, which compares a number per entry and answers with those that differ."""


class EventsSettings(Group):
    """What other services are told in the topic ``crucible.events``."""

    keep_days: Annotated[int, Field(ge=1, le=3_650)] = 7
    """Days for which events stay in PostgreSQL. A connector that starts anew (debezium/events.json) sends all of them
    again. Fewer: one that was away for longer, and lost its slot, has lost what happened meanwhile; more: a larger
    table."""


class ReconcileSettings(Group):
    """Rows compared with what was counted of them while the watcher runs, a part at a time (docs/operating.md)."""

    interval: Annotated[float, Field(ge=0, le=604_800)] = 300.0
    """Seconds between two turns, of all processes together; a turn compares up to a million keys, which take PostgreSQL
    and ClickHouse a few seconds. 300: ten million rows are looked at within an hour, for about a hundredth of a
    processor. Shorter: what differs is found sooner, for more load; longer: the other way round. 0: only
    `crucible reconcile` compares."""
    auto_fix: bool = False
    """Put right what is found, as `crucible reconcile --fix` does: what was counted of rows, events of votes, and rows,
    verdicts and marks in Redis. Views, votes that are there twice, and ratings in Redis, which follow from both, are
    left to the command: a view is made anew in minutes and under rights of its own, a vote is deleted. Off, all is
    shown (`crucible_drift_rows`) and left to a person, who may want to know first how it came about."""
    slot: Identifier = "crucible"
    """The connector's replication slot (slot.name), which tells whether a change may still be on its way."""


class BuzzSettings(Group):
    """The books of Buzz, for the role ``settle`` alone."""

    books: Literal["service", "ledger"] = "service"
    """``service`` is the site's Buzz service; ``ledger`` a double-entry ledger in PostgreSQL, in a schema of the role
    that settles, for a site without one."""
    url: HttpAddress | None = None
    """The service's address, e.g. http://buzz.internal."""
    timeout: Seconds = 10.0
    """Seconds for an answer. Longer than that it is unknown whether Buzz moved, and it is looked up. Longer: a service
    that stands still is noticed later. Below a minute, for which a row of the outbox belongs to who took it."""
    ledger_schema: Identifier = "crucible_ledger"
    """The ledger's schema; debezium/postgres/settle.sql makes it."""


class NotifySettings(Group):
    """How users learn how a crucible has ended for them, for the role ``settle`` alone."""

    url: HttpAddress | None = None
    """Address of the site's notification service, e.g. http://notifications.internal. Unset: what users are told are
    rows of crucible_watcher.notice, from which the site shows them."""
    token: SecretStr | None = None
    """What the service wants to be shown (``Authorization: Bearer``)."""
    timeout: Annotated[float, Field(gt=0, lt=15)] = 10.0
    """Seconds for an answer to up to 1,000 notices. Longer than that it is unknown whether they were taken, and it is
    looked up. Longer: four rows of the outbox, which are taken at a time, may become somebody else's meanwhile."""


class SettlementSettings(Group):
    """How crucibles end, and what the site is told of them until then, in the role ``settle``."""

    mode: Literal["on", "off"] = "on"
    """``off`` leaves endings to somebody else: nothing is frozen, ranked or paid, and a cancelled crucible's setup fee
    is not given back, and no scores are written. Fees of entries are taken and given back all the same."""
    payouts: Literal["watcher", "external"] = "watcher"
    """Who pays the prizes. ``external``: positions, scores and prizes are written and told, and whoever follows the
    events of crucibles pays; nothing is paid here."""
    sweep_interval: Seconds = 5.0
    """Seconds between two looks at the ends of all crucibles. An end is acted upon when it comes, whatever this is; it
    is how late an end that was moved, and a cancel, are noticed."""
    fee_patience: Annotated[float, Field(ge=0)] = 600.0
    """Seconds after the freeze for which a result waits for fees of entries that are being taken. Whose fee has not
    come then does not take part, and gets it back if it still comes. Shorter: a slow Buzz service keeps out who came
    last; longer: the result comes later while it is away."""
    step_timeout: Seconds = 300.0
    """Seconds that PostgreSQL has for each statement of a step: the result of a million entries takes some tens."""
    checkpoint_interval: Seconds = 300.0
    """Seconds between two looks at all active crucibles, whose ratings and numbers of votes are written into
    "CrucibleEntry" where they have changed. Shorter: what the site shows is fresher, for an update, and a change event,
    of each entry that was judged in between."""


class SettleSettings(Group):
    """The role ``settle``: what moves money, in a process of its own with secrets of its own."""

    dsn: PostgresAddress | None = None
    """libpq's connection string as the database role of debezium/postgres/settle.sql. Not the watcher's: a process that
    faces the public must not be able to pay."""
