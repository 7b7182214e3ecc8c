"""Writes the generated files of the project (``make docs``): lists of tables, then pages of the documentation."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from handlers import REGISTRY
from watcher.admin.handler_catalogue import catalogue, handlers_page
from watcher.admin.table_lists import table_lists
from watcher.api.openapi import document_text
from watcher.api.reference import api_page
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.metrics.page import metrics_page

ROOT: Final = Path(__file__).resolve().parents[2]


def lists() -> dict[str, str]:
    """Return the files that list the watched tables: path in the project -> text that it should have."""
    return table_lists(REGISTRY, lambda name: (ROOT / name).read_text(encoding="utf-8"))


def pages() -> dict[str, str]:
    """Return the generated pages: path in the project -> text that it should have."""
    from config.example import example_file  # noqa: PLC0415 - shows the topics of a list, which has to be written first

    metrics = Metrics(CollectorRegistry(), (table.name for table in REGISTRY))
    return {
        "docs/metrics.md": metrics_page(metrics.catalogue),
        "docs/api.md": api_page(),
        "docs/openapi.json": document_text(),
        "docs/handlers.md": handlers_page(catalogue(REGISTRY)),
        "config/crucible.example.toml": example_file(),
    }


STEPS: Final[tuple[Callable[[], dict[str, str]], ...]] = (lists, pages)
"""What is written, in this order."""


def main() -> None:
    """Write the files that differ and name them."""
    for step in STEPS:
        for name, content in step().items():
            file = ROOT / name
            if not file.exists() or file.read_text(encoding="utf-8") != content:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
                sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
