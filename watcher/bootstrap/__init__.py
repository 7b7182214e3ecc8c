"""The composition root: the only place that makes clients and knows handlers, settings and SQL."""
