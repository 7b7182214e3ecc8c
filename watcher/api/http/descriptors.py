"""How many connections this process can hold: each is a file to the kernel, and those are bounded."""

import resource
from typing import Final

import structlog

log = structlog.get_logger(__name__)

RESERVED_FILES: Final = 1_280
"""Files besides the connections that are kept: neighbours, logs, modules; and a thousand clients that came at once, or
are being told that it is full."""


def room_for(connections: int) -> int:
    """Raise this process' limit as far as is needed and allowed, and say how many connections fit.

    Args:
        connections: as many as are wanted.

    Returns:
        That many, or fewer where the hard limit (``ulimit -Hn``) is lower; then a warning is logged.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fit = wanted if soft == resource.RLIM_INFINITY else soft
    room = min(connections, fit - min(RESERVED_FILES, fit // 2))
    say = log.info if room == connections else log.warning
    say("api.connections", most=room, wanted=connections, files=fit)
    return room
