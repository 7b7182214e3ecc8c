"""What Debezium says of itself in its notification topic, in whichever encoding the connector writes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.decode.avro import AvroReader
from watcher.model.errors import RecordError
from watcher.model.notification import Notification


class _Record(msgspec.Struct):
    id: Any = None
    type: Any = None
    aggregate_type: Any = None
    additional_data: Any = None
    payload: "_Record | None" = None


def read_notification(value: bytes | None, avro: AvroReader | None) -> Notification | None:
    """Return what a record says; None if it is no notification, or is in Avro and nobody reads that.

    Args:
        value: the record's.
        avro: reads Avro; None: no schema registry is configured.

    Raises:
        TemporaryError: the schema registry is away.

    >>> read_notification(b'{"id": "a", "type": "STARTED", "aggregate_type": "Incremental Snapshot"}', None).type
    'STARTED'
    """
    if not value:
        return None
    try:
        if value[0]:
            record = msgspec.json.decode(value, type=_Record)
        elif avro is None:
            return None
        else:
            record = msgspec.convert(avro.read(value), _Record)
    except (RecordError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    said = record.payload or record
    if not (isinstance(said.id, str) and isinstance(said.type, str) and isinstance(said.aggregate_type, str)):
        return None
    more = said.additional_data if isinstance(said.additional_data, Mapping) else {}
    return Notification(said.id, said.type, said.aggregate_type, {str(name): str(text) for name, text in more.items()})
