"""The Chromium of this machine."""

import os
import shutil

from stack.unavailable import Unavailable

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ADVICE = "no Chromium on the PATH; install Debian's or Ubuntu's package chromium"


def executable() -> str:
    """Its path.

    Raises:
        Unavailable: there is none.
    """
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise Unavailable("chromium", ADVICE)


def arguments() -> list[str]:
    """What it needs here: root has no sandbox, containers have a small /dev/shm."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
