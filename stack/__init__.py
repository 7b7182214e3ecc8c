"""The parts of production on one machine: nothing to install, nothing left behind."""

from stack.endpoints import Endpoints
from stack.topology import EVERYTHING, Options, Stack
from stack.unavailable import NotReady, Unavailable

__all__ = ["EVERYTHING", "Endpoints", "NotReady", "Options", "Stack", "Unavailable"]
