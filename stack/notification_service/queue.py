"""What waits and what was delivered, in a file that survives ``kill -9``.

A key is one notification for ever: sent again while it waits or after it was delivered, it changes nothing but that
users who were not among its recipients are added. A worker delivers what has waited for some seconds; whether something
was delivered is read from a replica, so what waits is not seen.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stack.simulator.kept_file import KeptFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

DELIVERY_SECONDS = 5.0
"""How long a notification waits for the worker, unless a test says otherwise; the real one looks as often."""
NOBODY = -1
"""The user that stands for none."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pending (
    number integer PRIMARY KEY AUTOINCREMENT, key text NOT NULL UNIQUE, type text NOT NULL, category text NOT NULL,
    details text NOT NULL, users text NOT NULL, since real NOT NULL
);
CREATE TABLE IF NOT EXISTS delivered (
    key text PRIMARY KEY, type text NOT NULL, category text NOT NULL, details text NOT NULL
);
CREATE TABLE IF NOT EXISTS recipient (key text NOT NULL, user integer NOT NULL, PRIMARY KEY (key, user));
CREATE TABLE IF NOT EXISTS opted_out (user integer NOT NULL, type text NOT NULL, PRIMARY KEY (user, type));
"""


@dataclass(frozen=True)
class Sent:
    """A notification that somebody asks for."""

    key: str
    type: str
    category: str
    details: Any
    users: tuple[int, ...]


class Queue(KeptFile):
    """The file. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        self.delivery_seconds = DELIVERY_SECONDS
        super().__init__(path, _SCHEMA)

    def put(self, sent: Iterable[Sent]) -> int:
        """Queue notifications; return how many recipients are new to their key."""
        with self as file:
            return sum(_put(file, one) for one in sent)

    def opt_out(self, user: int, kind: str) -> None:
        """Note that a user wants no notifications of a type."""
        with self as file:
            file.execute("INSERT OR IGNORE INTO opted_out (user, type) VALUES (?, ?)", (user, kind))

    def wanted(self, users: Iterable[int], kind: str) -> tuple[int, ...]:
        """Return those users who want notifications of a type."""
        with self as file:
            out = {user for (user,) in file.execute("SELECT user FROM opted_out WHERE type = ?", (kind,))}
        return tuple(user for user in users if user not in out and user != NOBODY)

    def exists(self, key: str) -> bool:
        """Tell whether a key was delivered; one that waits is not seen."""
        with self as file:
            self._deliver(file)
            return bool(file.execute("SELECT 1 FROM delivered WHERE key = ?", (key,)).fetchone())

    def everything(self) -> dict[str, Any]:
        """Return what waits and what was delivered to whom, oldest first, for an audit."""
        with self as file:
            self._deliver(file)
            waits = file.execute("SELECT key, type, category, details, users FROM pending ORDER BY number").fetchall()
            came = file.execute(
                "SELECT key, type, category, details, user FROM delivered JOIN recipient USING (key) ORDER BY key, user"
            ).fetchall()
        return {
            "waiting": [
                {"key": key, "type": kind, "category": category, "details": json.loads(details), "user": user}
                for key, kind, category, details, users in waits
                for user in json.loads(users)
            ],
            "delivered": [
                {"key": key, "type": kind, "category": category, "details": json.loads(details), "user": user}
                for key, kind, category, details, user in came
            ],
        }

    def _deliver(self, file: sqlite3.Connection) -> None:
        """Do what the worker would have done by now."""
        due = file.execute(
            "SELECT key, type, category, details, users FROM pending WHERE since <= ? ORDER BY number",
            (time.time() - self.delivery_seconds,),
        ).fetchall()
        for key, kind, category, details, users in due:
            file.execute(
                "INSERT OR IGNORE INTO delivered (key, type, category, details) VALUES (?, ?, ?, ?)",
                (key, kind, category, details),
            )
            file.executemany(
                "INSERT OR IGNORE INTO recipient (key, user) VALUES (?, ?)", [(key, user) for user in json.loads(users)]
            )
            file.execute("DELETE FROM pending WHERE key = ?", (key,))


def _put(file: sqlite3.Connection, sent: Sent) -> int:
    there = {user for (user,) in file.execute("SELECT user FROM recipient WHERE key = ?", (sent.key,))}
    waits = file.execute("SELECT users FROM pending WHERE key = ?", (sent.key,)).fetchone()
    waiting = json.loads(waits[0]) if waits else []
    new = [user for user in dict.fromkeys(sent.users) if user not in there and user not in waiting]
    if new and waits:
        file.execute("UPDATE pending SET users = ? WHERE key = ?", (json.dumps([*waiting, *new]), sent.key))
    elif new:
        file.execute(
            "INSERT INTO pending (key, type, category, details, users, since) VALUES (?, ?, ?, ?, ?, ?)",
            (sent.key, sent.type, sent.category, json.dumps(sent.details), json.dumps(new), time.time()),
        )
    return len(new)
