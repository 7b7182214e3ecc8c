"""The watcher's own schema in PostgreSQL: the files ``NNNN_what.sql`` beside this one, where it is ``{schema}``.

A new table is a new file. All that are pending are applied in one transaction, so each holds as a whole or not at all.
"""
