"""What Kafka refuses though it is there: an ACL that denies, a password that is none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from watcher.model.errors import RefusedError, TemporaryError

if TYPE_CHECKING:
    from concurrent.futures import Future

REFUSALS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - that is its name in the client
    }
)
ANSWER_SECONDS: Final = 5.0
"""Seconds to wait for what the cluster says of rights. Longer: a look at the neighbour lasts longer than its reader
waits."""


def fault(said: str, error: BaseException) -> TemporaryError:
    """Return a client's error as one of ours; what is there and says no is told from what is away.

    Args:
        said: what was asked, and the answer.
        error: the client's.

    >>> type(fault("kafka: topic ids", KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))).__name__
    'RefusedError'
    >>> type(fault("kafka: topic ids", TimeoutError())).__name__
    'TemporaryError'
    """
    first = error.args[0] if error.args else None
    refused = isinstance(first, KafkaError) and first.code() in REFUSALS
    return RefusedError(f"{said}; see the ACLs of the watcher's user") if refused else TemporaryError(said)


def check_rights(admin: AdminClient, topics: Sequence[str]) -> None:
    """Check that topics may be read; a cluster that does not tell is taken to allow it.

    Reading would not say: a topic that is denied yields nothing, as a quiet one does. Of a group nothing is asked here:
    the administrator's question about one ends the process if the broker goes in that moment (confluentinc/librdkafka
    #4605, #5397), and whoever is in the group is told.

    Raises:
        RefusedError: some may not; they are named.
    """
    asked: Mapping[str, Future[Any]] = (
        admin.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=ANSWER_SECONDS
        )
        if topics
        else {}
    )
    refuse([f"topic {name}" for name in _denied(asked)])


def refuse(denied: Sequence[str]) -> None:
    """Raise a refusal of what may not be read, if anything may not.

    Raises:
        RefusedError: it names each.
    """
    if denied:
        raise RefusedError(f"kafka: {', '.join(denied)} may not be read by the watcher's user; see its ACLs")


def _denied(asked: "Mapping[str, Future[Any]]") -> Iterator[str]:
    for name, answer in asked.items():
        try:
            operations = answer.result(ANSWER_SECONDS * 2).authorized_operations
        except (KafkaException, TimeoutError) as error:
            if isinstance(fault("", error), RefusedError):
                yield name
        else:
            if operations and AclOperation.READ not in operations:
                yield name
