"""schemathesis asks the API what its OpenAPI file allows, and what it does not, and finds nothing."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.api.site import Site, token

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES, MORE_EXAMPLES = 8, 25
"""Of each operation and phase, and with ``--soak``. More find more rarely."""


def test_schemathesis_finds_nothing(site: Site, request: pytest.FixtureRequest) -> None:
    """No server error, and no answer that the document does not describe."""
    api = site.api()
    contest, judge = site.contest(), site.user()
    assert contest.id < 1_000
    for (crucible,) in site.postgres.execute('SELECT id FROM "Crucible"'):
        api.get(f"/v1/crucibles/{crucible}", judge)  # while one is brought back it answers 503, which is no fault
    command = [
        str(Path(sysconfig.get_path("scripts")) / "schemathesis"),
        "run",
        str(ROOT / "docs" / "openapi.json"),
        f"--url={api.url}",
        f"--header=Authorization: Bearer {token(judge)}",
        "--exclude-operation-id=stream",  # it does not end
        "--checks=all",
        f"--max-examples={MORE_EXAMPLES if request.config.getoption('--soak') else EXAMPLES}",
        "--generation-deterministic",
        "--request-timeout=20",
        "--suppress-health-check=all",
        "--no-color",
    ]

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=site.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(site.folder), "LANG": "C.UTF-8"},
    )

    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert "No issues found" in done.stdout, done.stdout[-3_000:]
    assert api.daemon.events("request.failed") == []
    assert api.close() == 0
