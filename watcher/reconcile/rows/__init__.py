"""Rows of a table, and what was counted of each: which differ, and how."""
