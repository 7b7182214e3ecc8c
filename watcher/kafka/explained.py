"""What Kafka's client says of a connection that was not made, with the setting that it is about."""

from typing import Final

_SETTINGS: Final = (
    ("certificate verify failed", "name the file of the authority that signs in kafka.ssl_ca_location"),
    ("wrong version number", "what answers there speaks no TLS; see kafka.security_protocol"),
    ("PLAINTEXT broker listener", "see kafka.security_protocol"),
    ("SSL listener", "see kafka.security_protocol"),
    ("Invalid response size", "what answers there is no broker, or wants TLS; see kafka.security_protocol"),
    ("Failed to resolve", "see kafka.bootstrap_servers"),
    ("Authentication failed", "see kafka.sasl_mechanism, kafka.sasl_username and kafka.sasl_password"),
)
"""Words of the client, and where to look."""


def explained(said: str) -> str:
    """Return what the client said, and the setting that helps where one does.

    >>> explained("ssl://b:9092/bootstrap: error:0A00010B:SSL routines::wrong version number")
    'ssl://b:9092/bootstrap: error:0A00010B:SSL routines::wrong version number; what answers there speaks no TLS; see \
kafka.security_protocol'
    >>> explained("1/1 brokers are down")
    '1/1 brokers are down'
    """
    return next((f"{said}; {advice}" for words, advice in _SETTINGS if words in said), said)
