"""Another service: follows ``crucible.events`` with a Kafka client and a JSON schema, and knows nothing of the watcher.

Prints each event of one source as a line of JSON until it has seen the one that it was told to wait for.
"""

import json
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer
from jsonschema import Draft202012Validator

BINARY_MODE = {"ce_specversion": "1.0", "content-type": "application/json"}
PATIENCE_SECONDS = 60


def main(brokers: str, schema_file: str, marker: str) -> None:
    """Follow the topic from its beginning.

    Args:
        brokers: where Kafka is.
        schema_file: docs/events.schema.json.
        marker: part of the name of crucibles that are looked at; the last is called ``<marker> end``.
    """
    schema = json.loads(Path(schema_file).read_text(encoding="utf-8"))
    consumer = Consumer(
        {
            "bootstrap.servers": brokers, "group.id": f"foreign-{marker}", "isolation.level": "read_committed",
            "enable.auto.commit": False, "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 500,
            "allow.auto.create.topics": False,
        }
    )  # fmt: skip
    consumer.subscribe(["crucible.events"])
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            record = consumer.poll(0.25)
            if record is None or record.error():
                continue
            headers = {name: value.decode() for name, value in record.headers()}
            if headers["ce_source"] != f"/{marker}":
                continue
            body = json.loads(record.value())
            kind = headers["ce_type"]
            Draft202012Validator({**schema, **schema["properties"][kind]}).validate(body)
            assert headers.items() >= BINARY_MODE.items(), headers
            assert int(record.key()) == body["crucibleId"]
            sys.stdout.write(json.dumps({"partition": record.partition(), **headers, "body": body}) + "\n")
            if body.get("name") == f"{marker} end":
                return
    finally:
        consumer.close()
    sys.exit(f"no event of {marker} end within {PATIENCE_SECONDS} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
