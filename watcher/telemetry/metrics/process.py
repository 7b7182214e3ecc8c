"""What a process tells of itself: what runs, whether it turns, which neighbours answer."""

import platform
from importlib.metadata import version

from watcher.telemetry.metrics.catalogue import OPEN, UNKNOWN, Catalogue


class ProcessMetrics:
    """Metrics of a process itself.

    Args:
        declare: makes metrics.
        librdkafka: version of the Kafka client library.
    """

    def __init__(self, declare: Catalogue, librdkafka: str = UNKNOWN) -> None:
        self.neighbour_up = declare.gauge(
            "neighbour_up", "1 while the neighbour answers as `/readyz` tells, looked at every ten seconds.",
            neighbour=OPEN,
        )  # fmt: skip
        self.neighbour_refuses = declare.gauge(
            "neighbour_refuses",
            "1 while the neighbour is there and refuses: a password, a name, a right or a limit has to be mended.",
            neighbour=OPEN,
        )
        self.loop_last_turn_timestamp = declare.gauge(
            "loop_last_turn_timestamp_seconds",
            "When the process' loop last turned, Unix time, as `/livez` sees it; of several the one that stands.",
        )
        self.loop_last_turn_timestamp.set_to_current_time()  # 0 would be 1970
        self.build_info = declare.gauge(
            "build_info", "1; its labels say what runs.", version=OPEN, python=OPEN, librdkafka=OPEN
        )
        self.build_info.labels(version("crucible-watcher"), platform.python_version(), librdkafka).set(1)
