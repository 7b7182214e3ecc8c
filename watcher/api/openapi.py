"""The OpenAPI document, from the table of routes and the types that requests and answers are coded by."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

import msgspec

from watcher.api.http.params import Param
from watcher.api.http.problem import PROBLEM_KINDS, Problem
from watcher.api.http.rate_limit import WINDOW_SECONDS
from watcher.api.route import EVERYWHERE, Route
from watcher.api.routes import ROUTES

VERSION: Final = "1.0.0"
"""The version of the interface, not of the program."""
_REFERENCE: Final = "#/components/schemas/{name}"
_INTRODUCTION: Final = f"""\
Votes on the pairs of a crucible, and what becomes of them.

Every route needs a bearer token (JWT) whose `sub` is the number of a user. Faults are problems of RFC 9457 with a
stable `code`. Requests of a user are limited: `RateLimit-Policy` and `RateLimit`, as in
draft-ietf-httpapi-ratelimit-headers-11, say what is left of a window of \
{WINDOW_SECONDS} s, `Retry-After` says when to come
back. A repeated vote is never charged.
"""


def document() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1, as plain dictionaries."""
    types = [Problem, *filter(None, (kind for route in ROUTES for kind in (route.body, route.answer)))]
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Crucible votes", "version": VERSION, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": _HEADERS,
            "schemas": {**components, "Problem": _problem(components["Problem"])},
        },
    }


def document_text() -> str:
    """Return the document as its file in `docs/` holds it."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


_HEADERS: Final = {
    "RateLimit-Policy": {"description": "The limit.", "schema": {"type": "string"}},
    "RateLimit": {"description": "What is left of it.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "ETag": {"description": "Entity tag of the answer.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "What is asked for.", "schema": {"type": "string"}},
}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [_parameter(param) for param in route.params],
        "responses": {"200": _success(route), **_problems({*EVERYWHERE, *route.problems})},
    }
    if route.detail:
        operation["description"] = route.detail
    if route.has_entity_tag:
        operation["parameters"].append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "Entity tags that the asker has.",
                "schema": {"type": "string"},
            }
        )
        operation["responses"]["304"] = {
            "description": "What the asker has is what there is.",
            "headers": _said("ETag"),
        }
    if route.body is not None:
        content = {"application/json": {"schema": _schema(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _success(route: Route) -> dict[str, Any]:
    headers = _said("RateLimit-Policy", "RateLimit", *(["ETag"] if route.has_entity_tag else []))
    if route.is_stream:
        content = {"text/event-stream": {"schema": {"type": "string"}}}
        described = f"Events; the data of each is a {route.answer.__name__} as JSON."
        return {"description": described, "headers": headers, "content": content}
    return {
        "description": _first_line(route.answer),
        "headers": headers,
        "content": {"application/json": {"schema": _schema(route.answer)}},
    }


def _problems(codes: Iterable[str]) -> dict[str, Any]:
    """Return the problems of a route by status, each with the codes that it may have."""
    ordered = sorted(codes, key=lambda code: (PROBLEM_KINDS[code].status, list(PROBLEM_KINDS).index(code)))
    found: dict[str, Any] = {}
    for status, some in groupby(ordered, key=lambda code: PROBLEM_KINDS[code].status):
        listed = list(some)
        headers: list[str] = []
        if status in {429, 503}:
            headers.append("Retry-After")
        if status == 401:
            headers.append("WWW-Authenticate")
        found[str(status)] = {
            "description": "; ".join(f"`{code}`: {PROBLEM_KINDS[code].title.lower()}" for code in listed),
            "headers": _said(*headers),
            "content": {
                "application/problem+json": {
                    "schema": {
                        "allOf": [
                            _schema(Problem),
                            {"properties": {"status": {"const": status}, "code": {"enum": listed}}},
                        ]
                    }
                }
            },
        }
    return found


def _parameter(param: Param) -> dict[str, Any]:
    schema: dict[str, Any] = (
        {"type": "integer", "minimum": param.least, "maximum": param.most}
        if param.kind is int
        else {"type": "string", "maxLength": param.most}
    )
    if param.pattern is not None:
        schema["pattern"] = f"^{param.pattern}$"
    if param.default is not None:
        schema["default"] = param.default
    return {
        "name": param.name,
        "in": "path" if param.in_path else "query",
        "required": param.in_path,
        "description": param.what,
        "schema": schema,
    }


def _schema(kind: Any) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _said(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _first_line(kind: Any) -> str:
    return str(kind.__doc__).strip().partition("\n")[0]


def _problem(schema: dict[str, Any]) -> dict[str, Any]:
    """Say that others may extend a problem: clients have to accept members that they do not know (RFC 9457, 3.2)."""
    return {**schema, "properties": {**schema["properties"], "code": {"type": "string", "enum": list(PROBLEM_KINDS)}}}
