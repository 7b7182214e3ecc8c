"""The questions that the program asks ClickHouse."""

from functools import cache
from typing import Final

import clickhouse_sql
from watcher.sql_files import Statements, named_statements

_RUN_TIME: Final = frozenset({"column", "expression", "partition", "ranges", "staging", "table"})
"""Names in braces that whoever asks fills in: what ClickHouse's own parameters cannot carry."""


@cache
def queries() -> Statements:
    """Return every query of ``clickhouse_sql/queries``, by name."""
    return named_statements(clickhouse_sql.QUERIES, run_time=_RUN_TIME)
