"""Kinds of ClickHouse, and what each changes in the schema's SQL: engines, ON CLUSTER, deduplication windows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from watcher.migrations.ledger import MigrationError

WINDOW_TOKENS: Final = 100_000
"""Insert tokens that a table remembers. One flush every half second on a dozen partitions makes 86,400 inserts an hour;
smaller, and a request that was stuck for an hour would count twice. Costs some 100 bytes of memory each."""
WINDOW_SECONDS: Final = 7 * 24 * 3600
"""Replicated engines also forget by age; a week outlasts any outage that a retry spans."""

_PLACEHOLDER: Final = re.compile(r"@(?P<name>[a-z_]+)(?:\((?P<given>[^()]*)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What kind of ClickHouse this is.

    Args:
        kind: ``single`` server, replicated ``cluster`` of one shard, or ClickHouse ``cloud``.
        cluster: the cluster's name, for ``ON CLUSTER``.
        replica_path: Keeper path of replicated tables; its braces are the server's own macros.
    """

    kind: Literal["single", "cluster", "cloud"] = "single"
    cluster: str | None = None
    replica_path: str = "/clickhouse/tables/{shard}/{database}/{table}"

    def __post_init__(self) -> None:
        if (self.kind == "cluster") != (self.cluster is not None):
            raise MigrationError(
                f'clickhouse.deployment is "{self.kind}" and clickhouse.cluster is {self.cluster!r}: '
                'a cluster\'s name belongs to deployment = "cluster" and to nothing else'
            )

    @property
    def on_cluster(self) -> str:
        """Return the clause that runs a statement everywhere.

        >>> Deployment(kind="cluster", cluster="main").on_cluster
        'ON CLUSTER `main`'
        """
        return f"ON CLUSTER `{self.cluster}`" if self.cluster else ""

    @property
    def window(self) -> str:
        """Return the table settings that make insert tokens count."""
        if self.kind == "single":
            return f"non_replicated_deduplication_window = {WINDOW_TOKENS}"
        tokens, seconds = "replicated_deduplication_window", "replicated_deduplication_window_seconds"
        return f"{tokens} = {WINDOW_TOKENS}, {seconds} = {WINDOW_SECONDS}"

    def engine(self, name: str, *given: str) -> str:
        """Return a MergeTree engine as this deployment spells it.

        >>> Deployment().engine("ReplacingMergeTree", "at")
        'ReplacingMergeTree(at)'
        >>> Deployment(kind="cluster", cluster="main", replica_path="/t/{table}").engine("MergeTree")
        "ReplicatedMergeTree('/t/{table}', '{replica}')"
        """
        # Cloud turns MergeTree into SharedMergeTree by itself.
        if self.kind == "cluster":
            given = (f"'{self.replica_path}'", "'{replica}'", *given)
            name = f"Replicated{name}"
        return f"{name}({', '.join(given)})"

    def system(self, table: str) -> str:
        """Return SQL of a system table of every server that can take an insert."""
        if self.kind == "single":
            return f"system.{table}"
        return f"clusterAllReplicas('{self.cluster or 'default'}', system.{table})"

    def render(self, text: str, more: Mapping[str, str]) -> str:
        """Fill in the placeholders of a migration.

        Args:
            text: SQL with ``@on_cluster``, ``@engine(Name, argument)``, ``@system(table)``, ``@window`` and those of
                ``more``.
            more: placeholders that depend on the step.

        Raises:
            MigrationError: a placeholder that nothing fills.
        """

        def fill(found: re.Match[str]) -> str:
            name, given = found["name"], found["given"]
            if name == "engine" and given:
                return self.engine(*(argument.strip() for argument in given.split(",")))
            if name == "system" and given:
                return self.system(given)
            values = {"on_cluster": self.on_cluster, "window": self.window, **more}
            if name not in values:
                known = ", @".join(values)
                raise MigrationError(f"@{name} is no placeholder here; known are @engine(...), @system(...), @{known}")
            return values[name] + (f"({given})" if given is not None else "")

        filled = _PLACEHOLDER.sub(fill, text)
        # An empty ON CLUSTER leaves spaces behind, which would make two deployments differ for nothing.
        return re.sub(r"[ \t]+$", "", filled, flags=re.MULTILINE)
