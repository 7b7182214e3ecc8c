"""Reads values in Confluent's wire format: a zero byte, a four-byte schema id, an Avro record.

The format is described in Confluent's "Schema Registry serializer wire format"; Apicurio's converter writes it with
``as-confluent=true`` and ``use-id=contentId``.
"""

import io
import json
import struct
from typing import Any, Protocol

import fastavro

from watcher.model.errors import Reason, RecordError
from watcher.model.words import counted

_HEADER = struct.Struct(">bI")


class SchemaSource(Protocol):
    """Where schemas come from."""

    def schema(self, schema_id: int) -> str:
        """Return the Avro schema of an id, as JSON text.

        Raises:
            RecordError: the registry knows no such id.
            TemporaryError: the registry is away.
        """
        ...


class AvroReader:
    """Reads Avro records, each with the schema that it was written with; a schema is parsed once."""

    def __init__(self, source: SchemaSource) -> None:
        self._source = source
        self._schemas: dict[int, Any] = {}

    def read(self, value: bytes) -> Any:
        """Return the record, as plain dictionaries.

        Raises:
            RecordError: the bytes do not follow the schema, or the id is unknown.
            TemporaryError: the registry is away.
        """
        if len(value) < _HEADER.size:
            raise RecordError(Reason.NOT_AVRO, f"{counted(len(value), 'byte')}: too few for a schema id")
        _, schema_id = _HEADER.unpack_from(value)
        schema = self._schemas.get(schema_id)
        if schema is None:
            schema = self._schemas[schema_id] = self._parse(schema_id)
        stream = io.BytesIO(value)
        stream.seek(_HEADER.size)
        try:
            return fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:
            # fastavro raises whatever its C code met: EOFError, IndexError, UnicodeDecodeError, struct.error ...
            raise RecordError(Reason.NOT_AVRO, f"schema {schema_id}: {type(error).__name__}: {error}") from error

    def _parse(self, schema_id: int) -> Any:
        text = self._source.schema(schema_id)
        try:
            return fastavro.parse_schema(_as_written(json.loads(text)))
        except Exception as error:
            raise RecordError(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is not Avro: {error}") from error


def _as_written(schema: Any) -> Any:
    """Return a schema by which values are read as they were written: a time is a number then, as it is in JSON.

    The library would make a ``datetime`` of a ``timestamp-millis``, and fail for one that Python does not have.

    >>> _as_written({"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]})
    {'name': 'at', 'type': ['null', {'type': 'long'}]}
    """
    if isinstance(schema, dict):
        return {key: _as_written(value) for key, value in schema.items() if key != "logicalType"}
    return [_as_written(one) for one in schema] if isinstance(schema, list) else schema
