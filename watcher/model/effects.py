"""What a handler wants to happen. Data, not calls: a sink decides how."""

import msgspec


class MetricDelta(msgspec.Struct, frozen=True, gc=False):
    """A row of ``entityMetricEvents``: somebody's action moved a count of an entity by ``value``."""

    entity_type: str
    entity_id: int
    user_id: int
    metric_type: str
    value: int


class CrucibleState(msgspec.Struct, frozen=True, gc=False):
    """The crucible as its latest row shows it; times in milliseconds since 1970, UTC."""

    crucible_id: int
    user_id: int
    name: str
    status: str
    nsfw_level: int
    start_at: int | None
    end_at: int | None
    judge_requirements: str | None
    """The column's JSON text; None for SQL NULL, ``"null"`` for JSON null."""
    places: int
    """Number of places that are paid."""


class CrucibleGone(msgspec.Struct, frozen=True, gc=False):
    """The crucible's row was deleted, and with it everything that was kept of it."""

    crucible_id: int


class EntryState(msgspec.Struct, frozen=True, gc=False):
    """The entry as its latest row shows it. Says nothing of its rating: votes own that."""

    crucible_id: int
    entry_id: int
    user_id: int
    image_id: int
    created_at: int
    """Milliseconds since 1970, UTC. Breaks ties of equal rating."""


class EntryGone(msgspec.Struct, frozen=True, gc=False):
    """The entry left the crucible: deleted, or moved to another one."""

    crucible_id: int
    entry_id: int


class ReconcileNeeded(msgspec.Struct, frozen=True, gc=False):
    """The stream cannot tell by how much the table's counts moved; comparing with PostgreSQL can."""

    table: str
    reason: str


StateEffect = CrucibleState | CrucibleGone | EntryState | EntryGone
Effect = MetricDelta | StateEffect | ReconcileNeeded
