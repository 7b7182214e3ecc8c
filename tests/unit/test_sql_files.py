"""SQL in files: how statements, fragments and numbered migrations are found, and what is refused."""

from pathlib import Path

import pytest

from watcher.sql_files import Migration, named_statements, numbered_migrations


def written(folder: Path, **files: str) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        folder.joinpath(f"{name}.sql").write_text(text)
    return folder


def test_statements_are_found_by_name_with_fragments_and_constants_put_in(tmp_path: Path):
    """All come without their reasons, and a fragment may use what stands before it, in another file too."""
    written(
        tmp_path,
        rules="-- fragment shown --\n-- Why.\nlevel <= {MOST}\n\n-- fragment both --\n-- Why.\n({shown} AND {shown})\n",
        images="-- one --\n-- Why one.\nSELECT 1\n\n-- two --\n-- Why two.\nSELECT {both} FROM {schema}.image\n",
    )

    found = named_statements(tmp_path, "rules.sql", "images.sql", constants={"MOST": 31})

    assert found == {
        "one": "SELECT 1",
        "two": "SELECT (level <= 31 AND level <= 31) FROM {schema}.image",
    }


def test_all_files_of_a_folder_are_read_where_none_is_named(tmp_path: Path):
    """In the order of their names; what is filled in at run time is left, and so are a driver's own parameters."""
    written(tmp_path, b="-- b --\n-- Why.\nB {ids:Array(UInt32)} {table}", a="-- a --\n-- Why.\nA")

    found = named_statements(tmp_path, run_time={"table"})

    assert list(found.items()) == [("a", "A"), ("b", "B {ids:Array(UInt32)} {table}")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- a --\nSELECT 1", "some.sql: -- a -- needs a line below it that says why"),
        ("-- a --\n-- Why.\n1\n-- a --\n-- Why.\n2", "some.sql: -- a -- is there already"),
        ("-- fragment a --\n-- Why.\n1\n-- a --\n-- Why.\n2", "some.sql: -- a -- is there already"),
        ("-- a --\n-- Why.\nSELECT {shwon}", r"a: \{shwon\} is no fragment or constant here; known are: MOST, schema"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str):
    """With its name and what is wrong."""
    written(tmp_path, some=text)

    with pytest.raises(ValueError, match=message):
        named_statements(tmp_path, "some.sql", constants={"MOST": 31})


def test_migrations_come_in_order_with_a_checksum_of_their_text(tmp_path: Path):
    """Numbered from one."""
    written(tmp_path, **{"0002_b": "B", "0001_a": "A"})

    first, second = numbered_migrations(tmp_path)

    assert (first, second) == (Migration(1, "a", "A"), Migration(2, "b", "B"))
    assert str(first) == "0001_a"
    assert first.checksum == "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a", "0003_c"], r"numbered \[1, 3\]; expected 1 to 2"),
        (["0001_a", "0001_b"], r"numbered \[1, 1\]; expected 1 to 2"),
        (["0001_a", "notes"], "notes.sql: expected a name like 0007_what_it_does.sql"),
    ],
)
def test_migrations_are_numbered_without_a_gap(tmp_path: Path, names: list[str], message: str):
    """A missing number is refused, because a file may have been lost in a merge."""
    written(tmp_path, **dict.fromkeys(names, "-- statements --\n"))

    with pytest.raises(ValueError, match=message):
        numbered_migrations(tmp_path)
