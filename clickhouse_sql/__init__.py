"""SQL for ClickHouse, kept in files that a database administrator can read; ``watcher/sql_files.py`` reads them.

``migrations/NNNN_what.sql`` builds the schema, one reason a file; ``queries/*.sql`` holds the questions that the
program asks, each under a header ``-- name --`` and a line that says why.
"""

from importlib.resources import files
from typing import Final

MIGRATIONS: Final = files(__name__).joinpath("migrations")
QUERIES: Final = files(__name__).joinpath("queries")
