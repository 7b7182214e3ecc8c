"""The limit that the watcher is measured against: read the same records and decode them, nothing else.

    python -m benchmarks.decode_limit BOOTSTRAP TOPIC PARTITIONS RECORDS [REGISTRY]

Reads a topic of so many records again and again until SIGTERM, then prints the CPU seconds of a record, of all threads.
"""

import signal
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

import handlers
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.decode.registry import RegistryClient


def main(bootstrap: str, topic: str, partitions: int, count: int, registry: str) -> None:
    """Read and decode until told to end; the first records are not counted, for connections are made then."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "decode-limit",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 32_768,
            "fetch.queue.backoff.ms": 20,
        }
    )
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    whole = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)]
    consumer.assign(whole)
    decoder = Decoder(handlers.REGISTRY, AvroReader(RegistryClient(registry)) if registry else None)
    done, left, begun = 0, count, 0.0
    while not ended:
        messages = consumer.consume(10_000, 0.02)
        for message in messages:
            decoder.decode(topic, message.value())
        left -= len(messages)
        if left == 0:
            consumer.assign(whole)
            left = count
        if begun:
            done += len(messages)
        elif messages:
            begun = time.process_time()
    print((time.process_time() - begun) / done)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else "")
