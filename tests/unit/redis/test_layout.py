"""One layout of Redis: its names and texts stand in ``keys.py`` and ``prelude.lua``, and nowhere else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import watcher
from watcher.model.effects import EntryState
from watcher.redis import keys, scripts

HOME = Path(watcher.__file__).parent
LUA = HOME / "redis" / "lua"
SCRIPTS = sorted(path.stem for path in LUA.glob("*.lua") if path.stem != "prelude")
SOURCES = sorted(
    path
    for path in [*HOME.rglob("*.py"), *LUA.glob("*.lua")]
    if path not in {HOME / "redis" / "keys.py", LUA / "prelude.lua"}
)
TEXTS = re.compile(
    r"(?<!urn:)crucible:(?! )"  # any key; with a blank, it is this program's name before an error
    rf"|{keys.POOL}|{keys.JUDGED}|:keeper"
    r"|\"(image|created)\":"  # an entry's row
    r"|%?015(\.0f|d)|%?010(\.0f|d)",  # an entry in the standings
)


def told(text: str) -> list[str]:
    """Texts of the layout in one string."""
    return [found.group() for found in TEXTS.finditer(text)]


def of_python(source: str) -> Iterator[str]:
    """What a module says of the layout."""
    tree = ast.parse(source)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    docs |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from told(node.value)
        parts = (
            [node.left, node.right]
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
            else node.values
            if isinstance(node, ast.JoinedStr)
            else []
        )
        yield from (
            str(part.value) for part in parts if isinstance(part, ast.Constant) and part.value in keys.COMPANIONS
        )


def of_lua(source: str) -> Iterator[str]:
    """What a script says of the layout."""
    code = re.sub(r"--.*", "", source)
    yield from told(code)
    joined = re.findall(r"(?:\.\.|[{,])\s*'(\w+)'", code)  # in a name, a list or a call; not as an answer
    yield from (name for name in joined if name in keys.COMPANIONS)
    yield from re.findall(r"'\{' \.\.", code)


def said(path: Path) -> list[str]:
    return list((of_python if path.suffix == ".py" else of_lua)(path.read_text()))


def test_the_layout_stands_in_two_files() -> None:
    """Whoever needs a key, a row or a standing asks those."""
    assert {str(path.relative_to(HOME)): found for path in SOURCES if (found := said(path))} == {}


@pytest.mark.parametrize(
    "source",
    [
        'name = f"crucible:{crucible_id}:elo"',
        'name = f"{{crucible:{crucible_id}:elo}}:votes"',
        'name = keys.tag(crucible_id) + "standings"',
        'name = f"{tag}votes"',
        'name = f"{tag}pool:{level}"',
        'name = tag + "judged:" + str(user)',
        'name = f"{tag}keeper" if tag else ":keeper"',
        """text = f'{{"user":{user},"image":{image},"created":{created}}}'""",
        'member = f"{created:015d}:{entry:010d}"',
    ],
)
def test_a_copy_in_python_is_found(source: str) -> None:
    """The control."""
    assert list(of_python(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "redis.call('HGET', tag .. 'votes', id)",
        "local tag = '{' .. KEYS[1] .. '}:'",
        "redis.call('SREM', tag .. 'pool:' .. level, id)",
        "redis.call('UNLINK', tag .. 'judged:' .. user)",
        """local ROW = '^%d+{"user":(%d+),"image":(%d+)'""",
        """local image, created = string.match(old, '"image":(%d+),"created":(-?%d+)')""",
        "local member = string.format('%015.0f:%010.0f', created, id)",
        "local elo = 'crucible:' .. id .. ':elo'",
    ],
)
def test_a_copy_in_lua_is_found(source: str) -> None:
    """The control."""
    assert list(of_lua(source)) != []


def test_live_data_keeps_its_names() -> None:
    """Redis outlives every version, so these texts are for good."""
    entry = EntryState(42, 7, 5, 9, 1_760_000_000_000)

    assert [
        keys.elo(42), keys.state(42), keys.entries(42), keys.votes(42), keys.left(42), keys.standings(42),
        keys.admitted(42), keys.pool(42, 31), keys.judges(42), keys.judged(42, 5), keys.log(42), keys.verifier_lock(42),
        keys.undrained(2), keys.drain(2), keys.limit(5, "votes"), keys.ADMISSION_SWEEPING, keys.ADMISSION_SWEPT,
        keys.entry_text(keys.mark(3, 4096), entry), keys.standing(entry.created_at, 7),
    ] == [
        "crucible:42:elo", "{crucible:42:elo}:state", "{crucible:42:elo}:entries", "{crucible:42:elo}:votes",
        "{crucible:42:elo}:left", "{crucible:42:elo}:standings", "{crucible:42:elo}:admitted",
        "{crucible:42:elo}:pool:31", "{crucible:42:elo}:judges", "{crucible:42:elo}:judged:5", "{crucible:42:elo}:log",
        "{crucible:42:elo}:keeper", "crucible:undrained:2", "crucible:drain:2", "crucible:limit:5:votes",
        "crucible:admission:sweeping", "crucible:admission:swept",
        '000000000300000000000000004096{"user":5,"image":9,"created":1760000000000}', "001760000000000:0000000007",
    ]  # fmt: skip
    assert len(keys.mark(3, 4096)) == keys.MARK_CHARACTERS
    assert [keys.standing(created, 7)[keys.STANDING_ID_FROM :] for created in (-5, 0, 10**14)] == ["0000000007"] * 3


def test_an_entrys_row_is_what_follows_its_mark() -> None:
    """Of one that is gone only the mark is there."""
    entry = EntryState(42, 7, 5, 9, 1)
    text = keys.entry_text(keys.mark(1, 2), entry).encode()

    assert keys.entry_row(text) == b'{"user":5,"image":9,"created":1}'
    assert keys.entry_row(keys.mark(1, 2).encode()) is None
    assert keys.entry_row(None) is None


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_gets_just_what_it_uses(name: str) -> None:
    """Each section that it names has something that stands in it; all data is there."""
    text = (LUA / f"{name}.lua").read_text()
    code = re.sub(r"--.*", "", text)
    for section in [one for line in re.findall(r"^-- uses: (.+)$", text, re.MULTILINE) for one in line.split()]:
        local = [
            one
            for names in re.findall(
                r"^local (?:function )?([\w, ]+)", scripts.complete(scripts.sections()[section]), re.MULTILINE
            )
            for one in names.strip().split(", ")
        ]
        assert any(re.search(rf"\b{one}\b", code) for one in local), f"{name}.lua uses nothing of {section}"
    whole = scripts.script(name).text

    assert whole.endswith(code.splitlines()[-1] + "\n")
    assert not re.search(r"@\w+@", whole)


def test_every_section_is_used() -> None:
    """By a script or by another section."""
    texts = [(LUA / f"{name}.lua").read_text() for name in SCRIPTS] + list(scripts.sections().values())
    used = {
        one for text in texts for line in re.findall(r"^-- uses: (.+)$", text, re.MULTILINE) for one in line.split()
    }

    assert used == scripts.sections().keys()


def test_little_is_put_before_votes() -> None:
    """It is run at each call: eleven functions, no tables."""
    head, _, _ = scripts.VOTE.text.partition("-- Casts votes on a crucible")
    functions = (
        "companion", "judged", "entry_row", "standing", "whole", "pair_of", "outcome", "count_logged", "begun",
        "entries_after", "finish_logged",
    )  # fmt: skip

    assert re.findall(r"^local (.+?)\(", head, re.MULTILINE) == [f"function {name}" for name in functions]


def test_what_sections_use_comes_before_them() -> None:
    """Lua knows a local function only after it."""
    text = scripts.complete("-- uses: changed_rows companions\n")
    order = [text.index(f"local function {name}(") for name in ("companion", "pool", "standing", "hide", "left_behind")]

    assert order == sorted(order)
    assert text.count("local function companion(") == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_takes_and_gives(name: str) -> None:
    """Keys, arguments, answer and what its caller may rely on."""
    head = (LUA / f"{name}.lua").read_text().split("\n\n")[0]

    assert [word for word in ("-- KEYS ", "-- Answer: ", "-- Guaranteed: ") if word not in head] == []
    assert ("ARGV[" in (LUA / f"{name}.lua").read_text()) == ("-- ARGV " in head)


def test_an_unknown_section_is_an_error() -> None:
    """A misspelt one would else be found by the first call."""
    with pytest.raises(KeyError, match="rowz"):
        scripts.complete("-- uses: rowz\nreturn 1\n")
