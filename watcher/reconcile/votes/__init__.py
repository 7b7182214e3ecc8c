"""Votes, and their metric events: each once, none without the other."""
