"""A crucible's live state in Redis: its keys, the scripts that change it, and how to call them."""
