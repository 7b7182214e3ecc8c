"""A schema registry of one schema, as a process: ``python -m tests.acceptance.registry_double PORT ID SCHEMA``."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Registry(BaseHTTPRequestHandler):
    """Answers ``GET /schemas/ids/{id}`` as Confluent's does."""

    known: tuple[str, str]

    def do_GET(self) -> None:
        """One schema is known, every other id is not."""
        number, schema = self.known
        found = self.path.rstrip("/").endswith(f"/schemas/ids/{number}")
        answer = {"schema": schema} if found else {"error_code": 40403, "message": "Schema not found"}
        body = json.dumps(answer).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at the watcher."""


if __name__ == "__main__":
    Registry.known = (sys.argv[2], sys.argv[3])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Registry).serve_forever()
