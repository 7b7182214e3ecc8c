"""A Buzz service for one machine: the HTTP interface of the site's own, with its quirks, as a process of its own.

It is a double of a service that cannot run here, and the judge of what was really paid: it shares no code with its
clients, keeps its own books in its own file, and can be told to fail in every way that the real one is known for.

    books.py    accounts and transactions in SQLite: what moved, once per external id
    routes.py   a request's path and body to an answer
    service.py  the routes as a double serves them, with the faults of this service, and its door for tests

HTTP and the faults that every service has are in ``stack/simulator``.
"""
