"""Checks of every link from the write-ahead log to the sinks: a module per neighbour, a function per check."""
