"""The doctor's questions to PostgreSQL, from ``checks.sql``."""

from importlib.resources import files
from typing import Final

from watcher.sql_files import Statements, named_statements

STATEMENTS: Final[Statements] = named_statements(files("watcher.admin.doctor.postgres"), "checks.sql")
