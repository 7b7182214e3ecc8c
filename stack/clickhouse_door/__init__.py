"""A small ClickHouse server for one machine: HTTP in front of the engine that chDB carries.

No package registry has the ClickHouse server, but ``chdb-core`` is its engine as a library. This package lets any
ClickHouse HTTP client talk to it, in a process of its own that can be stopped, killed and started again on the same
data. Run it as ``python -m stack.clickhouse_door --path DIR --port N``; the README beside this file says what is
supported and what is refused.

    server.py     one HTTP request in, one answer out; /ping, credentials, status codes
    body.py       a request's bytes: chunked or counted, decompressed, whole or not at all
    request.py    URL parameters, headers and form fields as one value
    statement.py  what kind of statement it is, where an INSERT's data begins, which format answers
    engine.py     chDB handles: one a request, one a session
    library.py    chDB itself, loaded without the package around it
    errors.py     errors with ClickHouse's codes
"""
