"""What editors, hooks and other programs are told of this project is so."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
PACKAGES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
    "wheel"
]["packages"]
WRITTEN = ("*.py", "*.md", "*.sql", "*.lua", "*.js", "*.css", "*.html", "*.toml", "*.yml", "*.yaml", "*.json")
"""Names of files that people write."""


def checks_of_make() -> list[str]:
    """The tools that ``make check`` calls, in their order, without the folders that they are given."""
    said = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    calls = re.findall(r"^(?:said=\$\()?\.venv/bin/((?!python).*?)(?: 2>.*| \|\|.*)?$", said, re.MULTILINE)
    left_out = {*checked_folders(), "--quiet"}
    return [" ".join(word for word in call.split() if word not in left_out) for call in calls]


def checked_folders() -> list[str]:
    """The folders whose style ``make check`` looks at."""
    found = re.search(r"^CHECKED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1].split()


def hooks() -> list[dict[str, Any]]:
    (repository,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    return list(repository["hooks"])


def test_a_commit_is_checked_by_what_make_check_runs():
    """The same tools with the same options in the same order, and all of them from the virtual environment."""
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in hooks()]

    assert entries == checks_of_make()


def test_hooks_and_make_look_at_the_same_folders():
    """A folder that is new to one of them is new to both."""
    named = {hook["files"] for hook in hooks() if "files" in hook}

    assert named == {f"^({'|'.join(checked_folders())})/"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str):
    """Type checkers of other projects read our annotations only where this file is."""
    assert (ROOT / package / "py.typed").read_bytes() == b""


def test_the_wheel_has_everything_that_a_package_has():
    """Markers, SQL, scripts and pages too: what is left out is missed only when somebody installs it."""
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    there = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }

    assert {f"{package}/py.typed" for package in PACKAGES} - shipped == set()
    assert there - shipped == set()


def written() -> list[Path]:
    """Files of the project that people write, the virtual environment and what tools leave behind aside."""
    folders = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    found = [file for folder in folders for name in WRITTEN for file in folder.rglob(name)]
    return sorted([*found, *(ROOT / name for name in ("Makefile", "Dockerfile", "README.md", ".ci/run"))])


def test_files_are_as_the_editor_is_told():
    """Lines end in one way and without blanks, the last one too, and tabs are where a tool wants them."""
    faults = []
    for file in written():
        text = file.read_bytes()
        name = str(file.relative_to(ROOT))
        if b"\r\n" in text or re.search(rb"[ \t]$", text, re.MULTILINE) or (text and not text.endswith(b"\n")):
            faults.append(name)
        if name not in {"Makefile", ".ci/run"} and re.search(rb"^\t", text, re.MULTILINE):
            faults.append(name)

    assert faults == []
