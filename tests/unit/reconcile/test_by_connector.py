"""What the connector says of rows that it was asked for, and what follows from it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from watcher.decode.notification import read_notification
from watcher.model.notification import INCREMENTAL, Notification
from watcher.postgres.own.backfill_run import BackfillRun
from watcher.reconcile.backfill.by_connector import NotBroughtError, Sending, bring_rows
from watcher.reconcile.backfill.counting import BackfillEndedError, BackfillPausedError
from watcher.reconcile.repairs.stream import PATIENCE_SECONDS, StreamStandsError

TABLE, OTHER = "public.CrucibleEntry", "public.Crucible"
RUN = BackfillRun(7, "connector", 900, None, 0, {}, 0, 0, datetime(2026, 1, 1, tzinfo=UTC), "running")


def said(kind: str, signal: str = RUN.signal, **more: str) -> Notification:
    return Notification(signal, kind, INCREMENTAL, more)


def read(table: str = TABLE, signal: str = RUN.signal, status: str = "SUCCEEDED") -> Notification:
    return said("TABLE_SCAN_COMPLETED", signal, scanned_collection=table, status=status, total_rows_scanned="3000")


def going(key: str, table: str = TABLE) -> Notification:
    return said("IN_PROGRESS", current_collection_in_progress=table, last_processed_key=key, maximum_key="3000")


class Asked:
    """A connector that answers by list, a look a time."""

    def __init__(self, *looks: list[Notification]) -> None:
        self.asked: list[str] = []
        self.told: list[str] = []
        self.run, self._looks, self._seconds = RUN, list(looks), 0.0
        self.raises: Exception | None = None
        self.standing = ""

    def begin(self) -> None:
        self.asked.append("begin")

    def pause(self) -> None:
        self.asked.append("pause")

    def rest(self, seconds: float) -> None:
        """Wait, as a turn does."""
        if self.raises is not None:
            raise self.raises
        self._seconds += seconds

    def _heard(self) -> Iterator[Notification]:
        yield from self._looks.pop(0) if self._looks else []

    def bring(self) -> int:
        return bring_rows(
            self,  # type: ignore[arg-type]
            self,
            self._heard,
            TABLE,
            look=lambda: self.standing,
            told=self.told.append,
            now=lambda: self._seconds,
        )


def test_it_ends_when_all_rows_were_read() -> None:
    one = Asked([said("STARTED")], *([going(str(number))] for number in range(0, 3000, 500)), [read()])

    assert one.bring() == 3000
    assert one.asked == ["begin"]
    assert one.told == [f"{TABLE}: the connector has read up to key 2000 of 3000"]


def test_what_was_said_of_an_earlier_signal_is_not_its_answer() -> None:
    """Nor what is said of another table, which goes by the name of the latest signal as well."""
    before = [read(signal="earlier"), said("ABORTED", "x", data_collections=TABLE)]
    one = Asked(before, [said("STARTED"), read(OTHER)], [read(signal="a later one")])

    assert one.bring() == 3000


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (read(status="UNKNOWN_SCHEMA"), "see table.include.list"),
        (read(status="STOPPED"), "somebody has stopped it"),
        (said("ABORTED", "x", data_collections=f"{OTHER},{TABLE}"), "somebody has stopped it"),
        (read(status="SOMETHING_NEW"), "the connector says SOMETHING_NEW"),
    ],
)
def test_rows_that_will_not_come_are_told_with_what_to_do(answer: Notification, why: str) -> None:
    one = Asked([said("STARTED"), answer])

    with pytest.raises(NotBroughtError, match=f"{why}.*`crucible backfill --by-connector` again"):
        one.bring()


def test_an_empty_table_is_read() -> None:
    assert Asked([said("STARTED"), read(status="EMPTY")]).bring() == 3000


def test_a_connector_that_says_nothing_is_given_up() -> None:
    """As long as it reads another table it is alive."""
    looks = [[going("1", OTHER)] for _ in range(round(PATIENCE_SECONDS) + 9)]
    one = Asked([said("STARTED"), going("500")], *looks)

    with pytest.raises(StreamStandsError, match=r"key 500 of 3000, and has said nothing.*connector status"):
        one.bring()
    assert one._seconds > 2 * PATIENCE_SECONDS


def test_a_connector_that_was_put_to_rest_is_not_waited_for() -> None:
    """At the next look, with how far it was and the next command."""
    one = Asked([said("STARTED"), going("500")])
    one.standing = "connector crucible is PAUSED: run `crucible connector resume`, then this again"

    with pytest.raises(StreamStandsError, match=r"up to key 500 of 3000; connector crucible is PAUSED: run"):
        one.bring()
    assert (one._seconds, one.asked) == (5.0, ["begin"])


def test_a_pause_is_passed_on_and_an_end_is_not() -> None:
    """Whoever has ended the run has told the connector."""
    paused, ended = Asked(), Asked()
    paused.raises, ended.raises = BackfillPausedError("p"), BackfillEndedError("e")
    for one in (paused, ended):
        with pytest.raises(BackfillPausedError):
            one.bring()

    assert (paused.asked, ended.asked) == (["begin", "pause"], ["begin"])


def test_that_it_waits_is_told() -> None:
    sending = Sending(RUN.signal, TABLE)
    words = []
    for one in (said("STARTED"), going("5"), said("PAUSED"), said("RESUMED")):
        sending = sending.after(one)
        words.append(str(sending))

    assert words == [
        "the connector has begun",
        "the connector has read up to key 5 of 3000",
        "the connector has read up to key 5 of 3000, and waits",
        "the connector has read up to key 5 of 3000",
    ]


@pytest.mark.parametrize("form", ["%s", '{"schema": {"type": "struct"}, "payload": %s}'])
def test_both_forms_of_json_are_read(form: str) -> None:
    value = '{"id":"a","type":"STARTED","aggregate_type":"Incremental Snapshot","additional_data":{"x":"1"}}'

    assert read_notification((form % value).encode(), None) == Notification("a", "STARTED", INCREMENTAL, {"x": "1"})


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{}", b"[1]", b"\xff", b"\x00\x00\x00\x00\x01x", b'{"id":1,"type":"A"}', b'{"a": ' + b"[" * 100_000],
)
def test_what_is_no_notification_is_passed_over(value: bytes | None) -> None:
    assert read_notification(value, None) is None
