"""Run broker and worker once, to record what makes every later start fast. About 20 s, once for each cache folder."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from stack import warm_start
from stack.cache import arriving, only_one
from stack.connect import Connect
from stack.guard import Guard
from stack.kafka import Kafka
from stack.ports import Ports
from stack.unavailable import NotReady

if TYPE_CHECKING:
    from stack.part import Part

# Seconds for a program to write its cache after it was told to stop: 7 on two idle cores.
PATIENCE_SECONDS = 90.0


def rehearse() -> None:
    """Record both programs unless that was done; a machine where it fails starts them the slow way."""
    targets = [warm_start.file(Kafka.name), warm_start.file(Connect.name)]
    if all(target.exists() for target in targets):
        return
    with only_one(targets[0].parent, "a fast start for Java"):
        if all(target.exists() for target in targets):
            return
        print("stack: recording a fast start for Kafka and Connect (once, about 20 s)", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            folder = Path(tempfile.gettempdir()) / f"crucible-rehearsal-{secrets.token_hex(6)}"
            guard = Guard([folder])
            try:
                _record(folder, targets)
            finally:
                guard.release()
        except NotReady as error:
            print(f"stack: no fast start here: {error}", file=sys.stderr, flush=True)
            for target in targets:
                target.touch()
            return
        warm_start.prune(targets)
        print(f"stack: recorded in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def _record(folder: Path, targets: list[Path]) -> None:
    with Ports() as ports, arriving(targets[0]) as one, arriving(targets[1]) as other:
        made = one / targets[0].name, other / targets[1].name
        port, controller_port = ports.take(), ports.take()
        kafka = Kafka(folder / "kafka", port=port, controller_port=controller_port, record_to=made[0])
        servers = kafka.bootstrap_servers
        connect = Connect(folder / "connect", port=ports.take(), bootstrap_servers=servers, record_to=made[1])
        both: tuple[Part, Part] = connect, kafka
        try:
            for part in both:
                part.start()
            for part in both:
                part.await_ready(PATIENCE_SECONDS)
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda part: part.stop(PATIENCE_SECONDS), both))
        finally:
            for part in both:
                part.kill()
        if not all(file.exists() for file in made):
            raise NotReady("the runtime wrote no cache")
