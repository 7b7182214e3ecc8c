"""Checks of every link from the write-ahead log to the sinks; one module a neighbour."""
