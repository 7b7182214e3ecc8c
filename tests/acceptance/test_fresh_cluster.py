"""The very first day: a broker that no group has ever asked."""

import os
import subprocess
import sys
from pathlib import Path

from stack.topology import Stack
from tests.acceptance.daemon import REPOSITORY
from tests.stack.watching import provided


def test_offsets_of_a_group_that_never_was(tmp_path: Path):
    """Asking where it stands is answered, or refused with a word; the first question must not end the process."""
    with provided(), Stack(tmp_path / "fresh", ("kafka",)) as stack:
        for number in range(3):
            done = subprocess.run(
                [sys.executable, "-m", "watcher", "offsets", "show"],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                cwd=REPOSITORY,
                env={"PATH": os.environ["PATH"], **stack.environ(), "CRUCIBLE_KAFKA__GROUP": f"never-{number}"},
            )

            assert done.returncode in {0, 75}, done.stderr
