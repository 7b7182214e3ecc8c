"""What the documentation says is so: links lead somewhere, examples run, what is named exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.keys import keys
from config.topics import TOPICS
from watcher.cli.lazy import VERBS, load_verb
from watcher.model.entry_verdict import SENTENCES
from watcher.runtime.failpoint import ALL_PLACES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md")]
    if not {part for part in page.relative_to(ROOT).parts if part.startswith(".")}
)
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if not target.startswith(("http://", "https://")):
                yield str(page.relative_to(ROOT)), target


@pytest.mark.parametrize(("page", "target"), sorted(set(links())))
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    """To a file that is there, and to a heading that it has."""
    path, _, anchor = target.partition("#")
    there = (ROOT / page).parent / path if path else ROOT / page

    assert there.exists()
    assert not anchor or anchor in anchors(there)


def test_every_page_can_be_reached_from_the_readme() -> None:
    """A page that nobody links to is not read."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            found = re.findall(r"\]\(([^)\s#]+\.md)", prose(page))
            waiting += [(page.parent / target).resolve() for target in found if "://" not in target]

    assert {str(page.relative_to(ROOT)) for page in set(PAGES) - reached} == set()


@pytest.mark.parametrize(
    ("looked_for", "file"),
    [
        ("where a change becomes rows", "watcher/changes/ingest.py"),
        ("where a vote is refused", "watcher/redis/lua/vote.lua"),
        ("where an image is hidden", "watcher/model/visibility.py"),
        ("where Redis is compared", "watcher/recovery/verifier.py"),
        ("where a new route goes", "watcher/api/routes.py"),
        ("where a new table goes", "handlers/__init__.py"),
        ("where an entry is decided", "watcher/entries/decider.py"),
        ("where money moves", "watcher/buzz/port.py"),
        ("where a hole in the stream is found, and mended", "watcher/reconcile/repairs/repairer.py"),
    ],
)
def test_a_new_reader_finds_it_in_the_architecture(looked_for: str, file: str) -> None:
    """One row answers it, in these words, and names the file."""
    (row,) = [row for row in ARCHITECTURE.splitlines() if row.startswith(f"| {looked_for}")]

    assert f"`{file}`" in row


def test_every_file_that_the_architecture_names_exists() -> None:
    """By its whole path, by the end of it, or by its name beside a file that is named before it in the line."""
    files = {str(file.relative_to(ROOT)) for file in ROOT.glob("[a-z]*/**/*.*")}
    gone = []
    for line in ARCHITECTURE.splitlines():
        folders = set[str]()
        for name in re.findall(r"`((?:\w+/)*\w+\.(?:py|sql|lua|js|json|toml|yml))`", line):
            if "/" in name:
                found = {file for file in files if f"/{file}".endswith(f"/{name}")}
            else:
                found = {f"{folder}/{name}" for folder in folders} & files or {name} & {"pyproject.toml"}
            folders |= {file.rpartition("/")[0] for file in found}
            gone += [] if found else [f"{name}: {line[:60]}"]

    assert gone == []


def test_every_test_that_is_named_exists() -> None:
    """A guarantee rests on its test; one that was renamed or removed must be noticed."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "guarantees.md").read_text()))
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }

    assert len(named) > 40
    assert named - there == set()


def test_every_place_to_crash_is_explained() -> None:
    """The tables have the fail points, all of them, in their order."""
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## Crash here")[2].partition("\n## ")[0]

    assert tuple(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)) == ALL_PLACES


def commands() -> set[str]:
    """Every verb of the command line, with the nouns of those that have any."""
    return {*VERBS, *(f"{verb} {noun}" for verb in VERBS for noun in getattr(load_verb(verb), "commands", {}))}


def test_the_readme_lists_every_command() -> None:
    """The table is where people look for what there is; a verb is left out as easily as it is added."""
    section = (ROOT / "README.md").read_text().partition("## The commands")[2].partition("\n## ")[0]
    listed = set()
    for row in re.findall(r"^\| (`crucible [^|]+) \|", section, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        command = first.removeprefix("crucible ")
        listed |= {command, *(f"{command.partition(' ')[0]} {other}" for other in others)}
    known = commands()

    assert listed == {one for one in known if not any(other.startswith(f"{one} ") for other in known)}


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "adr"], ids=lambda page: page.name)
def test_every_command_and_setting_that_is_named_exists(page: Path) -> None:
    """``crucible verb noun``, ``group.key`` and ``CRUCIBLE_GROUP__KEY`` are what the program knows."""
    text = page.read_text()
    known, settings = commands(), {key.dotted for key in keys()}
    groups = {name.partition(".")[0] for name in settings}
    files = {file.name for file in (ROOT / "debezium").rglob("*.*")}

    for line in re.findall(r"(?:`|\$ |^)crucible ([a-z]+(?: [a-z]+)?)", text, re.MULTILINE):
        verb, _, noun = line.partition(" ")
        assert verb in known, line
        assert not noun or line in known or not any(one.startswith(f"{verb} ") for one in known), line
    for name in re.findall(rf"`((?:{'|'.join(groups)})\.[a-z_]+)`", text):
        assert name in settings or name in {*ALL_PLACES, *TOPICS, *files, "reconcile.needed", "reconcile.py"}, name
    for name in re.findall(r"CRUCIBLE_[A-Z]+__[A-Z_]+", text):
        if name != "CRUCIBLE_KAFKA__GROP":  # the example of a misspelt one
            assert name in {key.variable for key in keys()}, name


def test_the_messages_that_the_readme_explains_are_the_programs() -> None:
    """Each part of a quoted message stands in the program's text, so that searching for a message finds it."""
    section = (ROOT / "README.md").read_text().partition("## When something is wrong")[2].partition("\n## ")[0]
    program = " ".join(
        file.read_text() for folder in ("watcher", "config") for file in sorted((ROOT / folder).rglob("*.py"))
    )
    spoken = re.sub(r'"\s*\n\s*f?"', "", program)  # a text that goes on in the next line

    messages = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    assert len(messages) > 15
    for message in messages:
        for part in re.split(r"\.\.\.|\b[NM]\b", message):
            words = part.strip(" :;,=")
            assert words in spoken, (message, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_knows_the_machine_that_it_was_written_on(page: Path) -> None:
    """No absolute path of somebody's disk."""
    assert not re.findall(r"(?<![\w:/.])/(?:home|root|work|Users|tmp)/\S+", page.read_text())


def test_the_page_on_entries_says_what_people_are_told() -> None:
    """Each reason with its code and its sentence, all of them, in their order."""
    section = (ROOT / "docs" / "entries.md").read_text().partition("## Reasons")[2].partition("\n## ")[0]

    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$", section, re.MULTILINE)

    assert rows == [(reason.value, sentence) for reason, sentence in SENTENCES.items()]


def test_every_decision_is_in_the_list_of_decisions():
    """In the order of their numbers, each under its own title."""
    folder = ROOT / "docs" / "adr"
    titles = {page.name: page.read_text().splitlines()[0].removeprefix("# ") for page in sorted(folder.glob("0*.md"))}

    listed = re.findall(r"^(\d+\. )\[(.+)\]\((.+\.md)\)$", (folder / "README.md").read_text(), re.MULTILINE)

    assert {page: f"{number}{title}" for number, title, page in listed} == titles
    assert [page for *_, page in listed] == sorted(titles)
