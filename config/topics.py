"""The default of ``kafka.topics``. This file is generated: `make docs`."""

TOPICS = (
    "postgres.Crucible",
    "postgres.CrucibleEntry",
    "postgres.entry_verdict",
    "postgres.crucible_comment",
    "postgres.beat",
)
"""Where the shipped connectors send the changes of the tables of ``handlers/__init__.py``, in its order."""
