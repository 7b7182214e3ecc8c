"""Another client, in a process of its own: asks one thing after the other, and says how long each took.

A line for each answer: when it was asked for (monotonic seconds), how long it took (milliseconds), its status and, for
a problem, its code. It asks until its input ends.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

PAUSE_SECONDS = 0.004
"""Between an answer and the next question."""


class Seen(NamedTuple):
    """One answer."""

    at: float
    ms: float
    status: int
    code: str


def ask(port: int, path: str, tokens: list[str]) -> Iterator[Seen]:
    """Ask for ever, as one user after the other."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    number = 0
    while True:
        token, where = tokens[number % len(tokens)], ("/pair" if number % 8 == 0 else "")
        number += 1
        began = time.monotonic()
        for _ in range(2):
            try:
                line.request("GET", path + where, headers={"Authorization": f"Bearer {token}"})
                answer = line.getresponse()
                body = answer.read()
                break
            except (http.client.HTTPException, ConnectionError):
                line.close()  # it was idle when places were taken; a browser asks once more, too
        else:
            yield Seen(began, (time.monotonic() - began) * 1e3, 0, "hung up on")
            continue
        code = json.loads(body).get("code", "") if answer.status >= 400 else ""
        yield Seen(began, (time.monotonic() - began) * 1e3, answer.status, code)


def main() -> None:
    """Ask until the input ends."""
    told = json.loads(sys.stdin.readline())
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    for seen in ask(told["port"], told["path"], told["tokens"]):
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()
        if over.wait(PAUSE_SECONDS):
            return


if __name__ == "__main__":
    main()
