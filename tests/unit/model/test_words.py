"""Messages say numbers as people do: one warning is not "1 warnings"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import watcher

PLURAL = re.compile(
    r" (?:dead |parked |numbered )?(attempts|crucibles|decimals|entries|events|files|fills|inserts|letters"
    r"|migrations|notices|parts|partitions|questions|records|refusals|rows|statements|subjects|tables|times|tries|votes"
    r"|warnings)\b"
)


def fixed_plurals(source: str) -> Iterator[str]:
    """Each number of a formatted text that is followed by a plural, whatever the number is."""
    for text in ast.walk(ast.parse(source)):
        for number, rest in zip(text.values, text.values[1:], strict=False) if isinstance(text, ast.JoinedStr) else ():
            if isinstance(rest, ast.Constant) and PLURAL.match(rest.value) and not _is_in_words(number):
                yield ast.unparse(text)


def _is_in_words(number: ast.expr) -> bool:
    """Whether it is put in words already, or is a constant of the program, of which there never is one."""
    said = number.value if isinstance(number, ast.FormattedValue) else None
    constant = isinstance(said, ast.Name) and said.id.isupper()
    return constant or (isinstance(said, ast.Call) and ast.unparse(said.func).endswith("counted"))


def test_numbers_are_told_as_people_do():
    """By ``counted``, in every room: what one says ends in somebody's log, answer or terminal."""
    room = Path(watcher.__file__).parent
    files = sorted(room.rglob("*.py"))

    assert {str(file.relative_to(room)): found for file in files if (found := [*fixed_plurals(file.read_text())])} == {}


def test_a_fixed_plural_is_found():
    assert list(fixed_plurals('note(f"{done} rows of {table}")')) == ["f'{done} rows of {table}'"]
    assert list(fixed_plurals('note(f"{len(all)} dead letters")')) == ["f'{len(all)} dead letters'"]
    assert list(fixed_plurals('note(f"{MAX_ROWS} rows")')) == []
    assert list(fixed_plurals("""note(f"{counted(done, 'row')} of {table}")""")) == []
