"""Fetches Avro schemas by id over the schema registry's REST API (``GET /schemas/ids/{id}``).

Confluent's own client comes as an extra of confluent-kafka with an authorisation stack for its cloud; one GET does not
need it, and the caller keeps each schema for good.
"""

import httpx
import msgspec

from watcher.model.errors import Reason, RecordError, TemporaryError


class _Answer(msgspec.Struct):
    schema: str
    schemaType: str = "AVRO"  # noqa: N815 - the registry's spelling


class RegistryClient:
    """A schema registry with Confluent's API.

    Args:
        url: base address, e.g. ``http://127.0.0.1:8081/apis/ccompat/v7``.
        auth: user and password, or None.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, auth: tuple[str, str] | None = None, timeout: float = 5.0) -> None:
        self._client = httpx.Client(base_url=url.rstrip("/") + "/", auth=auth, timeout=timeout)

    def schema(self, schema_id: int) -> str:
        """The Avro schema of an id, as JSON text.

        Raises:
            RecordError: the registry knows no such id, or it is not Avro.
            TemporaryError: the registry is away, busy, or refuses us.
        """
        try:
            response = self._client.get(f"schemas/ids/{schema_id}")
        except httpx.HTTPError as error:
            raise TemporaryError(f"schema registry {self._client.base_url}: {error}") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            raise RecordError(Reason.UNKNOWN_SCHEMA, f"the registry knows no schema with id {schema_id}")
        if response.status_code != httpx.codes.OK:
            raise TemporaryError(f"schema registry {self._client.base_url} answered {response.status_code}")
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a proxy's page, say: no word of the registry's
            raise TemporaryError(f"schema registry {self._client.base_url} answered no schema: {error}") from error
        if answer.schemaType != "AVRO":
            raise RecordError(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is {answer.schemaType}, expected AVRO")
        return answer.schema

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
