"""The state after a crash between the deduplication record and the part's rename.

A plain MergeTree writes the record of a token before it moves the new part into place. A server killed between the two
answers the same token with success for ever, and the rows are nowhere. These functions produce that state, and the one
a moment earlier, in a stopped data folder.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, slots=True)
class NewestInsert:
    """The part that the last insert into a table made. Ask while the server runs, use it when the server is dead."""

    part: Path

    def lose_part(self) -> None:
        """Keep the record, lose the part: the token is known and the rows are gone."""
        shutil.rmtree(self.part)

    def forget(self) -> None:
        """Lose record and part: as though the insert had never come to this table."""
        self.lose_part()
        logs = sorted(
            (self.part.parent / "deduplication_logs").glob("deduplication_log_*.txt"),
            key=lambda file: int(file.stem.rsplit("_", 1)[1]),
        )
        for log in reversed(logs):
            lines = log.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if self.part.name.encode() not in line.split()]
            if kept != lines:
                log.write_bytes(b"".join(kept))
                return
        raise LookupError(f"no record of {self.part.name} in {self.part.parent}/deduplication_logs")


def newest_insert(client: Client, database: str, table: str) -> NewestInsert:
    """Find the newest part of a table whose merges are stopped."""
    found = client.query(
        "SELECT path FROM system.parts WHERE database = {d:String} AND table = {t:String} AND active "
        "ORDER BY max_block_number DESC LIMIT 1",
        parameters={"d": database, "t": table},
    ).result_rows
    if not found:
        raise LookupError(f"{database}.{table} has no part")
    return NewestInsert(Path(found[0][0]))
