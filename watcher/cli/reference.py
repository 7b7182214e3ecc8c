"""Writes the generated pages of the documentation: ``python -m watcher.cli.reference``."""

import sys
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from config.example import example_file
from handlers import REGISTRY
from watcher.admin.handler_catalogue import catalogue, handlers_page
from watcher.api.openapi import document_text
from watcher.api.reference import api_page
from watcher.telemetry.catalogue import metrics_page
from watcher.telemetry.metrics import Metrics

ROOT: Final = Path(__file__).resolve().parents[2]


def pages() -> dict[str, str]:
    """Every generated file: its path in the project, and what it should hold."""
    metrics = Metrics(CollectorRegistry(), (table.name for table in REGISTRY))
    return {
        "docs/metrics.md": metrics_page(metrics.catalogue),
        "docs/api.md": api_page(),
        "docs/openapi.json": document_text(),
        "docs/handlers.md": handlers_page(catalogue(REGISTRY)),
        "config/crucible.example.toml": example_file(),
    }


def main() -> None:
    """Write the pages that differ and name them."""
    for name, content in pages().items():
        file = ROOT / name
        if not file.exists() or file.read_text() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
