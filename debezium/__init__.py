"""The files people deploy to get changes out of PostgreSQL, found beside this module. No code: paths only."""

from pathlib import Path

HERE = Path(__file__).resolve().parent

CONNECTOR = HERE / "connector.json"
"""Kafka Connect, plain JSON."""
CONNECTOR_AVRO = HERE / "connector-avro.json"
"""Kafka Connect, Avro with a schema registry."""
EVENTS = HERE / "events.json"
"""Kafka Connect, a second connector: what other services are told."""
SERVER = HERE / "application.properties"
"""Debezium Server, without Kafka Connect."""
PREPARATION = (HERE / "postgres" / "replication.sql", HERE / "postgres" / "watcher.sql")
"""What PostgreSQL needs first, in this order. Plain SQL for any client; parameters are settings like ``crucible.x``."""
SETTLE = HERE / "postgres" / "settle.sql"
"""What PostgreSQL needs besides for the role that moves money; after the others."""
THREADS = HERE / "postgres" / "threads.sql"
"""What PostgreSQL needs besides for discussions of crucibles: after ``watcher.sql``, and then the publication again."""
PAYMENTS = HERE / "postgres" / "payments.sql"
"""What PostgreSQL needs besides for fees that the site takes: after ``watcher.sql``."""
EVENTS_PREPARATION = HERE / "postgres" / "events.sql"
"""What PostgreSQL needs besides for ``events.json``, once the watcher's tables are there."""
ENVELOPES = HERE / "envelopes"
"""Records captured from the real connector, one a file."""
