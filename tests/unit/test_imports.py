"""Each rule on imports is broken once, in a copy, and caught under its name: a rule that catches nothing is none."""

import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
FORBIDDEN = {
    "Layers: an import only ever points down": ("watcher.telemetry", "watcher.kafka.admin"),
    "Comparing: the command and the daemon above, rows and votes below": (
        "watcher.reconcile.rows",
        "watcher.reconcile.repairs.stream",
    ),
    "The model is pure": ("watcher.model", "random"),
    "Handlers know the model and nothing else": ("handlers", "watcher.telemetry.metrics"),
    "Only the composition root and the command line know handlers and settings": ("watcher.api", "config"),
    "Settings, SQL and connector files know nothing of ours": ("debezium", "stack"),
    "Nothing that ships knows the demo": ("stack", "demo"),
    "The local topology knows nothing of the watcher": ("stack", "clickhouse_sql"),
    "The audit knows nothing of what it audits": ("demo.entries", "watcher.model.rating"),
    "The change loop knows no neighbour": ("watcher.changes", "watcher.redis.keys"),
    "Each neighbour's client stays in its room": ("watcher.kafka", "redis"),
}
"""Contract -> a package, and what it must not import."""


def copied(folder: Path) -> Path:
    """The packages and the contracts, without anything that is not Python."""
    for package in SETTINGS["root_packages"]:
        for file in (ROOT / package).rglob("*.py"):
            to = folder / file.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> dict[str, str]:
    """What lint-imports says of each contract that is broken in a folder, by the contract's name."""
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    _, broken, report = done.stdout.partition("Broken contracts\n")
    assert (done.returncode, bool(broken)) in {(0, False), (1, True)}, done.stdout + done.stderr
    sections = re.split(r"^(.+)\n-{5,}$", report, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


def test_every_contract_has_an_import_that_breaks_it() -> None:
    """A new one is added here, or nobody knows whether it holds."""
    assert {contract["name"] for contract in SETTINGS["contracts"]} == set(FORBIDDEN)


@pytest.fixture(scope="module")
def caught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of a copy in which every contract is broken."""
    folder = copied(tmp_path_factory.mktemp("broken"))
    for number, (package, target) in enumerate(FORBIDDEN.values()):
        (folder / package.replace(".", "/") / f"forbidden_{number}.py").write_text(f"import {target}\n")
    return lint(folder)


@pytest.mark.parametrize("contract", FORBIDDEN)
def test_a_forbidden_import_is_caught_by_its_contract(caught: dict[str, str], contract: str) -> None:
    """By the line that was added, so that no other contract's fault stands in for it."""
    package, target = FORBIDDEN[contract]
    number = list(FORBIDDEN).index(contract)

    assert f"{package}.forbidden_{number} -> {target} (l.1)" in caught[contract]


def test_a_copy_without_them_breaks_nothing(tmp_path: Path) -> None:
    """The control: what is caught above was added above."""
    assert lint(copied(tmp_path)) == {}


def test_a_room_without_a_layer_is_caught(tmp_path: Path) -> None:
    """A new package under ``watcher`` has to say where it stands; otherwise it could import anything."""
    room = copied(tmp_path) / "watcher" / "unlisted"
    room.mkdir()
    (room / "__init__.py").write_text("")

    (said,) = lint(tmp_path).values()

    assert "unlisted" in said


@pytest.mark.parametrize(("role", "knows"), [("watch", False), ("api", False), ("settle", True)])
def test_who_faces_the_public_or_the_stream_knows_no_way_to_the_books(role: str, knows: bool) -> None:
    """Nothing that these roles are made of can move Buzz; the one that does is the control."""
    graph = grimp.build_graph("watcher")

    reached = graph.find_upstream_modules(f"watcher.bootstrap.{role}")

    assert ({"watcher.buzz.http", "watcher.buzz.ledger"} & reached != set()) is knows
