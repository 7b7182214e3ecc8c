"""What the door refuses although a server may do it: always aloud."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest

from tests.clickhouse_process import PASSWORD, DoorProcess

if TYPE_CHECKING:
    from pathlib import Path


def ask(door: DoorProcess, url: str, body: bytes = b"", method: str = "POST", **headers: str) -> tuple[int, str, str]:
    """Status, code and text of one bare request."""
    connection = http.client.HTTPConnection("127.0.0.1", door.port)
    credentials = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD}
    connection.request(method, url, body, credentials | headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("X-ClickHouse-Exception-Code", ""), text


def test_the_door_says_what_it_does_not_do(door: DoorProcess) -> None:
    """Each unsupported request gets code 48 and a sentence, and changes nothing."""
    door.client().command("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")
    form = (
        b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n1\r\n--b--\r\n'
    )
    answers = [
        ask(door, "/?async_insert=1", b"INSERT INTO t VALUES (1)"),
        ask(door, "/?compress=1", b"INSERT INTO t VALUES (1)"),
        ask(door, "/?decompress=1", b"INSERT INTO t VALUES (1)"),
        ask(door, "/?role=admin", b"INSERT INTO t VALUES (1)"),
        ask(door, "/", b"INSERT INTO t VALUES (1)", **{"Content-Encoding": "br"}),
        ask(door, "/", form, **{"Content-Type": "multipart/form-data; boundary=b"}),
    ]

    assert [(status, code) for status, code, _ in answers] == [(501, "48")] * 6
    assert all(text.startswith("Code: 48. DB::Exception: ") for _, _, text in answers)
    assert door.client().command("SELECT count() FROM t") == 0


def test_get_reads_and_does_not_write(door: DoorProcess) -> None:
    """A statement by GET may read; one that would write is refused with ClickHouse's code for it."""
    read = ask(door, "/?query=SELECT+1&default_format=JSONEachRow", method="GET")
    write = ask(door, "/?query=CREATE+TABLE+t+(a+Int8)+ENGINE+Memory", method="GET")

    assert read == (200, "", '{"1":1}\n')
    assert write[:2] == (403, "164")


@pytest.mark.parametrize("path", ["/ping", "/"])
def test_a_probe_needs_no_password(door: DoorProcess, path: str) -> None:
    """Liveness is for everybody."""
    assert ask(door, path, method="GET", **{"X-ClickHouse-Key": "guessed"}) == (200, "", "Ok.\n")


def test_a_folder_has_one_process(door: DoorProcess, tmp_path: Path) -> None:
    """A second process on the same data is refused, because both would write."""
    second = DoorProcess(tmp_path)
    with pytest.raises(pytest.fail.Exception, match="is open in another process; stop that one"):
        second.start()

    assert door.client().command("SELECT 1") == 1
