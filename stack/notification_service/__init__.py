"""A notification service for one machine: the HTTP interface of the site's own, with its quirks, in its own process.

It is a double of a service that cannot run here, and the judge of who was really told: it shares no code with its
clients, keeps its own queue in its own file, and can be told to fail in every way that the real one is known for.

    queue.py    what waits and what was delivered, in SQLite: each key once, each user once a key
    routes.py   a request to an answer
    service.py  the routes as a double serves them, and its door for tests

HTTP and the faults that every service has are in ``stack/simulator``.
"""

TOKEN = "token-of-the-double"  # noqa: S105 - it guards nothing
"""Who calls has to show it."""
