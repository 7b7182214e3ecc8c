"""The Buzz service as a double serves it, and its door for tests: funds and books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stack.buzz_service.books import Books
from stack.buzz_service.routes import BuzzRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stack.simulator.server import SimulatorRequest


class BuzzService:
    """The service.

    Args:
        path: file of the books.
    """

    def __init__(self, path: Path) -> None:
        self.hollow: Any = {"transactionId": None, "remainingBalance": None, "transactions": [], "conflicts": []}
        self.faults: Sequence[str] = ("drop_leg",)
        """Of a batch, the first leg is not carried out and stands in neither list of the answer."""
        self._books = Books(path)
        self._routes = BuzzRoutes(self._books)

    def answer(self, request: SimulatorRequest, fault: str) -> tuple[int, Any]:
        """Answer a request of a client.

        Raises:
            Refused: nothing moved.
        """
        if request.method == "GET":
            return 200, self._routes.get(request.parts, request.query)
        return 200, self._routes.post(request.parts, request.body, drop_leg=fault == "drop_leg")

    def told(self, what: str, given: Any) -> Any:
        """Carry out what a test or an audit asks for; None: there is no such door."""
        match what:
            case "fund":
                some = given if isinstance(given, list) else [given]
                self._books.fund((one["accountId"], one["accountType"], one["amount"]) for one in some)
                return {}
            case "books":
                return {"balances": self._books.balances(), "moved": [vars(one) for one in self._books.all_moved()]}
        return None
