"""Reads of the site's tables; one module a question."""
