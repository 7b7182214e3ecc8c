"""What the demo adds so that people can vote: a sign-in, images, judges, and the address of the page."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from demo.judges.__main__ import SECRET
from demo.program import OwnProgram
from demo.sign_in import SignIn
from demo.simulator.people import VISITOR
from stack.ports import Ports

FAVOURITE = "SELECT min(id) FROM \"Crucible\" WHERE status = 'Active'"
"""The crucible that half of the judges look at; the simulator never deletes the first one."""
OUR_VISITOR = 'SELECT id FROM "User" WHERE username = %s'
STARTING_SECONDS = 20.0
"""Seconds until a process of ours has said its first word."""


@dataclass(frozen=True, slots=True)
class VotingAddresses:
    """Where the API and the images are."""

    api_port: int
    pictures_port: int

    @classmethod
    def take(cls, ports: Ports) -> Self:
        """Return two ports that are free, reserved until ``ports`` is closed."""
        return cls(ports.take(), ports.take())

    @property
    def api(self) -> str:
        """Base address of the vote API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def image(self) -> str:
        """Address of an image, as the API's setting has it."""
        return f"http://127.0.0.1:{self.pictures_port}/{{url}}"


class Voting:
    """Images, sign-in and judges of one demo.

    Args:
        folder: for logs, and for the ledger of what judges were answered.
        ports: reserves the ports; the caller closes it.
    """

    def __init__(self, folder: Path, ports: Ports) -> None:
        self.sign_in = SignIn(secrets.token_urlsafe(48))
        self.at = VotingAddresses.take(ports)
        self.ledger = folder / "answers.jsonl"
        self._folder = folder
        arguments = ("-m", "demo.pictures", "--port", str(self.at.pictures_port))
        self.pictures = OwnProgram("pictures", arguments, folder, {})

    def environ(self) -> dict[str, str]:
        """Settings of the watcher's API."""
        return {
            "CRUCIBLE_API__HOST": "127.0.0.1",
            "CRUCIBLE_API__PORT": str(self.at.api_port),
            "CRUCIBLE_API__ISSUER": self.sign_in.issuer,
            "CRUCIBLE_API__AUDIENCE": self.sign_in.audience,
            "CRUCIBLE_API__HS256_SECRETS": self.sign_in.secret,
            "CRUCIBLE_API__PAIR_SECRETS": secrets.token_urlsafe(48),
            "CRUCIBLE_API__IMAGE_URL": self.at.image,
        }

    def start_pictures(self) -> None:
        """Start the server of images and wait until it has said its address."""
        self.pictures.start()
        self.pictures.await_word(STARTING_SECONDS)

    def judges(self, environ: Mapping[str, str], *, seconds: float, rate: float, seed: int) -> OwnProgram:
        """Return the people who vote, as a program, not started yet."""
        arguments = ("-m", "demo.judges", "--api", self.at.api, "--ledger", str(self.ledger))
        pace = ("--seconds", str(seconds), "--rate", str(rate), "--seed", str(seed))
        site = {name: value for name, value in environ.items() if name == "CRUCIBLE_POSTGRES__DSN"}
        return OwnProgram("judges", (*arguments, *pace), self._folder, {**site, SECRET: self.sign_in.secret})

    def page(self, crucible: int, visitor: int) -> str:
        """Address of the page to vote on, with a token of its own in the fragment, which no server sees."""
        return f"{self.at.api}/arena/{crucible}#token={self.sign_in.token(visitor)}"


__all__ = ["FAVOURITE", "OUR_VISITOR", "VISITOR", "Voting", "VotingAddresses"]
