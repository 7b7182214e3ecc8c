"""Which tables of the site are read besides the watched ones."""

from typing import Final

READ_TABLES: Final = ("User", "Image", "ImageResourceNew", "Thread", "CommentV2", "CommentV2Reaction")
"""Who may vote, which images may be shown, what they were made with, and what is said about them; all in the schema
``public``. The role's rights in ``debezium/postgres/watcher.sql`` are written from this (`make docs`), and `crucible
doctor` checks them."""
