"""The statements that read the site's tables, with the rules that they share."""

from importlib.resources import files
from typing import Final

from watcher.model.row_state import FINISHED
from watcher.model.visibility import ALL_LEVELS, SCANNED
from watcher.postgres.moments import MOMENTS
from watcher.sql_files import Statements, named_statements

_SHARED: Final = ("times.sql", "visibility.sql", "comments.sql")
CONSTANTS: Final = {
    "ALL_LEVELS": ALL_LEVELS,
    "SCANNED": SCANNED,
    "FINISHED": ", ".join(f"'{status}'" for status in sorted(FINISHED)),
    **MOMENTS,
}
"""What stands in braces in the files of this folder besides their fragments."""


def site_statements(name: str) -> Statements:
    """Return the statements of one of this folder's files, by the name in their header."""
    return named_statements(files("watcher.postgres.site"), *_SHARED, name, constants=CONSTANTS)
