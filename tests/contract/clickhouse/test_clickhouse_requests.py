"""What a client can ask and how it is refused: parameters, settings, sessions, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("Int64", -(2**62)),
        ("String", "it's a \\ back\tslash\nand a newline"),
        ("Array(String)", ["a", "it's", "b\\"]),
        ("Array(UInt64)", [1, 2**63]),
        ("Nullable(String)", None),
    ],
)
def test_parameters_are_bound_by_the_server(client: Client, type_name: str, value: object) -> None:
    """A parameter comes back as it was given, whatever characters it has."""
    assert [(value,)] == client.query(f"SELECT {{x:{type_name}}}", parameters={"x": value}).result_rows


def test_many_parameters_travel_as_a_form(client: Client) -> None:
    """Parameters too long for a URL are sent as form fields."""
    many = list(range(20_000))

    assert client.query("SELECT length({x:Array(UInt64)})", parameters={"x": many}).result_rows[0][0] == 20_000


def test_settings_hold_for_one_request(client: Client) -> None:
    """A setting given with a request is gone with it."""
    asked = "SELECT toString(getSetting('max_threads'))"
    given = client.query(asked, settings={"max_threads": 7}).result_rows
    after = client.query(asked).result_rows

    assert given == [("7",)]
    assert given != after


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELEC 1 FROM", 62),
        ("SELECT nope", 47),
        ("SELECT * FROM absent", 60),
        ("SELECT * FROM absent.absent", 81),
        ("SELECT throwIf(1)", 395),
        ("SELECT {x:UInt8}", 456),
        ("SELECT 1; SELECT 2", 62),
        ("INSERT INTO absent VALUES (1)", 60),
    ],
)
def test_errors_have_codes(client: Client, statement: str, code: int) -> None:
    """What is wrong with a statement is told by the number and the text that ClickHouse gives it."""
    with pytest.raises(DatabaseError) as caught:
        client.command(statement)

    assert code == caught.value.code
    assert f"Code: {code}. DB::Exception" in str(caught.value)


def test_an_unknown_setting_is_an_error(client: Client) -> None:
    """A misspelt setting is refused, not ignored."""
    client.params["insert_deduplication_tokn"] = "x"
    with pytest.raises(DatabaseError) as caught:
        client.command("SELECT 1")

    assert caught.value.code == 115


def test_a_wrong_password_is_refused(connect: Callable[..., Client]) -> None:
    """Nobody gets in with another password, and the answer has the code of it."""
    with pytest.raises(DatabaseError) as caught:
        connect(password="guessed")

    assert caught.value.code in (516, 194)


def test_a_session_keeps_its_temporary_table_and_settings(connect: Callable[..., Client], database: str) -> None:
    """Statements of one session share temporary tables; another session does not see them."""
    one = connect(database=database, session_id="contract-one")
    other = connect(database=database, session_id="contract-other")
    one.command("CREATE TEMPORARY TABLE mine (id Int32)")
    one.command("INSERT INTO mine VALUES (1)")
    one.command("SET max_threads = 3")

    assert one.command("SELECT count() FROM mine") == 1
    assert one.query("SELECT toString(getSetting('max_threads'))").result_rows[0][0] == "3"
    with pytest.raises(DatabaseError):
        other.command("SELECT count() FROM mine")
    one.close()
    other.close()


def test_answers_come_in_the_format_asked_for(client: Client) -> None:
    """One number, four formats."""
    answers = {name: client.raw_query("SELECT 1 AS x", fmt=name) for name in ("TSV", "CSV", "JSONEachRow")}

    assert answers == {"TSV": b"1\n", "CSV": b"1\n", "JSONEachRow": b'{"x":1}\n'}


def test_running_statements_are_listed(client: Client) -> None:
    """A statement sees itself in system.processes, by its text."""
    assert client.command("SELECT count() FROM system.processes WHERE query LIKE '%sees-itself%'") == 1
