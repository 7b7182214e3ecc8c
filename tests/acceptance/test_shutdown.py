"""The end of a watcher: asked for, or because of settings that cannot be used."""

from tests.acceptance.world import World
from tests.awaiting import await_that

COUNT = 600


def test_sigterm_in_the_middle_of_a_stream(world: World):
    """What was taken is written and acknowledged at once, nothing is left open, and the exit code is 0."""
    daemon = world.start(batch__flush_interval="600", batch__max_rows="50000", batch__max_pending_rows="50000")
    world.produce(world.history.work(COUNT))
    await_that(
        lambda: daemon.metric("crucible_sink_queue_rows") > 0, "rows to wait for a flush", told=daemon.last_words
    )
    assert world.rows() == 0

    assert daemon.terminate(25) == 0

    offset, metadata = world.committed()[0]
    assert (offset > 0, f'"end":{offset}' in metadata) == (True, True)
    assert daemon.events("watch.finished")[0]["open_plans"] == 0
    assert world.members() == 0
    successor = world.start()
    world.await_acknowledged(60, successor)
    assert world.verdict() == []


def test_sigterm_while_clickhouse_is_away(world: World):
    """The deadline holds; what could not be written stays named in Kafka and is finished by the next watcher."""
    daemon = world.start(clickhouse__timeout="2", run__shutdown_deadline="3")
    daemon.await_event("partition.assigned")
    world.stack.clickhouse.pause()
    world.produce(world.history.work(COUNT))
    daemon.await_event("neighbour.away", neighbour="clickhouse")

    assert daemon.terminate(15) == 0

    assert daemon.events("watch.finished")[0]["open_plans"] == 1
    assert world.members() == 0
    world.stack.clickhouse.resume()
    successor = world.start()
    world.await_acknowledged(60, successor)
    assert world.verdict() == []


def test_sigterm_while_postgres_is_waited_for_at_the_start(world: World):
    """Nothing was begun, so there is nothing to finish; being asked to end is no failure."""
    daemon = world.start(postgres__dsn="postgresql://crucible_watcher@127.0.0.1:1/site")
    daemon.await_event("neighbour.away", neighbour="postgres")
    said = daemon.ready()

    assert not said["ok"]
    assert said["start"]["detail"].startswith("waits for postgres: ")
    assert daemon.terminate(15) == 0

    assert not daemon.events("partition.assigned")


def test_a_wrong_setting(world: World):
    """One message that names the key, what was given and what is allowed; exit code 78; nothing was begun."""
    daemon = world.start(batch__max_rows="many")

    assert daemon.await_exit() == 78
    (line,) = [line for line in daemon.text().splitlines() if "batch.max_rows" in line]
    assert ("CRUCIBLE_BATCH__MAX_ROWS" in line, "'many'" in line, "integer" in line) == (True, True, True)
    assert "Traceback" not in daemon.text()


def test_a_session_that_the_broker_does_not_take(world: World):
    """The client would ask for it again for ever and never join; it is the setting that has to change."""
    daemon = world.start(kafka__session_timeout="3600", kafka__max_poll_interval="3600")

    assert daemon.await_exit() == 1
    assert "CRUCIBLE_KAFKA__SESSION_TIMEOUT" in daemon.text()
    assert "group.max.session.timeout.ms" in daemon.text()


def test_a_heartbeat_among_the_topics_is_read_once(world: World):
    """A topic that two settings name is no fault, though the client refuses a list that has it twice."""
    daemon = world.start(kafka__heartbeat_topic=world.topic)

    daemon.await_event("partition.assigned")
    assert daemon.terminate(25) == 0
