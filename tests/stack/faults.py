"""How tests make the doubles of outside services fail."""

from typing import Any

import httpx

UNKNOWN = [
    "hang_before",
    "hang_after",
    "close_before",
    "close_after",
    "500_before",
    "500_after",
    "503",
    "hollow",
    "garbage",
]
"""Faults after which nobody can tell whether the request was carried out; ``hollow`` is a success that says nothing."""


def arm(service: httpx.Client, *faults: dict[str, Any]) -> None:
    """Have the next requests fail."""
    service.post("/_simulator/faults", json=list(faults)).raise_for_status()
