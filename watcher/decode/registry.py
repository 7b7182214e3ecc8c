"""Fetches Avro schemas by id over the schema registry's REST API (``GET /schemas/ids/{id}``).

Confluent's own client comes as an extra of confluent-kafka with an authorisation stack for its cloud; one GET does not
need it, and the caller keeps each schema for good.
"""

from typing import Final, TypeVar

import msgspec

from watcher.model.errors import Reason, RecordError, RefusedError, TemporaryError
from watcher.runtime.http_client import NO_JSON, HttpClient, HttpResponse

_NO_SUCH_SCHEMA: Final = 40_403
"""``error_code`` of a registry that knows no such schema. 404 alone is anybody's: a proxy's, or the registry's own
for a wrong path; and its other codes are about subjects and versions, for which nobody has asked."""

_NOT_ALLOWED: Final = frozenset({401, 403})

T = TypeVar("T")


class _Answer(msgspec.Struct):
    schema: str
    schemaType: str = "AVRO"  # noqa: N815 - the registry's spelling


class _Refusal(msgspec.Struct):
    error_code: int


class RegistryClient:
    """A schema registry with Confluent's API.

    Args:
        url: base address, e.g. ``http://127.0.0.1:8081/apis/ccompat/v7``.
        auth: user and password, or None.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, auth: tuple[str, str] | None = None, timeout: float = 5.0) -> None:
        self._http = HttpClient("schema registry", "registry.url", url, timeout, auth=auth)

    def schema(self, schema_id: int) -> str:
        """Return the Avro schema of an id, as JSON text.

        Raises:
            RecordError: the registry knows no such id, or it is not Avro.
            TemporaryError: the registry is away, busy, or refuses us.
        """
        response = self._http.request_blocking("GET", f"schemas/ids/{schema_id}")
        if response.status == 404 and _is_no_such_schema(response):
            raise RecordError(Reason.UNKNOWN_SCHEMA, f"the registry knows no schema with id {schema_id}")
        answer = self._decoded(response, _Answer)
        if answer.schemaType != "AVRO":
            raise RecordError(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is {answer.schemaType}, expected AVRO")
        return answer.schema

    def subjects(self) -> int:
        """Return how many subjects the registry has.

        Raises:
            TemporaryError: the registry is away, busy, or refuses us.
        """
        return len(self._decoded(self._http.request_blocking("GET", "subjects"), list[str]))

    def _decoded(self, response: HttpResponse, kind: type[T]) -> T:
        if response.status in _NOT_ALLOWED:
            raise RefusedError(
                f"{self._http.where} answered {response.status} {response.reason}; check registry.username, "
                "registry.password and that user's rights"
            )
        if response.status != 200:
            raise TemporaryError(
                f"{self._http.where} answered {response.status} {response.reason}; expected the base address of the "
                "Confluent API, e.g. http://registry:8080/apis/ccompat/v7"
            )
        try:
            return msgspec.json.decode(response.body, type=kind)
        except NO_JSON as error:  # a proxy's page, say: no word of the registry's
            raise TemporaryError(f"{self._http.where} does not answer as a registry does: {error}") from error


def _is_no_such_schema(response: HttpResponse) -> bool:
    try:
        return msgspec.json.decode(response.body, type=_Refusal).error_code == _NO_SUCH_SCHEMA
    except NO_JSON:
        return False
