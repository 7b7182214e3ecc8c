"""The README's example of a new table, added to a copy of the project as the README says and as a whole file."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", ".stack", ".screenshots", "dist")
WRITTEN = {
    *("config/crucible.example.toml", "config/topics.py", "docs/handlers.md"),
    *("debezium/README.md", "debezium/application.properties", "debezium/connector.json"),
    *("debezium/connector-avro.json", "debezium/postgres/replication.sql", "debezium/postgres/watcher.sql"),
}
"""Files that ``make docs`` has to write for a new table."""
TESTS = (
    *("tests/unit/test_reference.py", "tests/unit/test_docs.py", "tests/unit/test_deploy.py", "tests/unit/handlers"),
    *("tests/unit/model/test_handler_registry.py", "tests/unit/admin/test_table_lists.py"),
    *("tests/unit/decode/test_decode_refused.py", "tests/unit/changes/test_ingest.py"),
    "tests/connector/test_shipped_files.py",
)
"""Tests that know of tables, and need no neighbour."""
NAMES = {"Bounty": "Quidam", "bounty": "quidam"}
"""The example's name, and one as long that nobody would use: whoever has added the example as it stands has no other
project for it."""
BEHAVIOUR = """
from handlers import REGISTRY
from tests.change_events import change, value
from watcher.decode.decoder import Decoder
from watcher.model.change import Operation
from watcher.model.effects import MetricDelta

table = REGISTRY.tables["Quidam"]
offered = change(Operation.CREATE, after=table.sample, table="Quidam")
event = Decoder(REGISTRY, None).decode(table.topic, value(offered))
effects = [effect for handler in table.answering(event.op) for effect in handler(event)]
assert effects == [MetricDelta("User", 7, 7, "quidamCount", 1)], effects
"""
"""From a record to what the example's docstring says of it."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the example's file and its line, before ``make docs``."""
    copy = tmp_path_factory.mktemp("new_table") / "project"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=LEFT_OUT)
    example = re.search(r'```python\n("""Bounty.*?)```', (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    text = re.sub("|".join(NAMES), lambda found: NAMES[found[0]], example[1])
    (copy / "handlers" / "quidam.py").write_text(text)
    listed = copy / "handlers" / "__init__.py"
    before, last, after = listed.read_text().partition('    "crucible_entry",\n')
    listed.write_text(f'{before}{last}    "quidam",\n{after}')
    return copy


def run(project: Path, *command: str) -> str:
    """Run Python in the copy, which wins over the project that is installed; its output, once it succeeded."""
    done = subprocess.run(
        [sys.executable, *command], cwd=project, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_table_is_one_file_one_line_and_make_docs(project: Path) -> None:
    """Nothing else is edited; before ``make docs``, a test says what to do."""
    stale = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/unit/test_reference.py"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    written = run(project, "-m", "watcher.cli.reference").split()

    assert {name for name in WRITTEN if f"{name} is stale: run `make docs`" not in stale.stdout} <= {
        "config/crucible.example.toml"  # shows the topics of a list that is itself stale
    }
    assert {name for name in written if name != "wrote"} == WRITTEN
    run(project, "-c", BEHAVIOUR)
    run(project, "-m", "ruff", "check", "handlers", "config")
    run(project, "-m", "ruff", "format", "--check", "handlers", "config")


@pytest.mark.soak("runs a part of this suite in the copy")
def test_every_test_that_knows_of_tables_passes_with_a_new_one(project: Path) -> None:
    """As they are: none lists the tables that there are."""
    run(project, "-m", "watcher.cli.reference")
    run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
