"""The limit that the watcher is measured against: read the same records and decode them, nothing else.

    python -m benchmarks.decode_limit BOOTSTRAP TOPIC COUNT GROUP

Prints the CPU seconds from the first record to the last, of all threads.
"""

import sys
import time

from confluent_kafka import Consumer

import handlers
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.decode.registry import RegistryClient


def main(bootstrap: str, topic: str, count: int, group: str, registry: str) -> None:
    """Read and decode ``count`` records of ``topic``."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 32_768,
            "fetch.queue.backoff.ms": 20,
        }
    )
    consumer.subscribe([topic])
    decoder = Decoder(handlers.REGISTRY, AvroReader(RegistryClient(registry)) if registry else None)
    done, begun = 0, 0.0
    while done < count:
        messages = consumer.consume(10_000, 0.02)
        if messages and not begun:
            begun = time.process_time()
        for message in messages:
            decoder.decode(topic, message.value())
        done += len(messages)
    print(time.process_time() - begun)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5] if len(sys.argv) > 5 else "")
