"""Why a cluster cannot be used, in words: the broker that does not answer, the login that fails, the topic that is missing.

``connect`` opens a connection to one broker (aiokafka's ``create_conn``, handed in); everything here is translation.
"""

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import anyio

from pipeline.kafka.connection import ConnectionOptions

PROBE_SECS = 5.0
"""A broker that takes longer to say hello is reported as not answering."""

LOGIN_ERRORS = frozenset(
    {"SaslAuthenticationFailed", "AuthenticationFailedError", "UnsupportedSaslMechanismError", "IllegalSaslStateError"}
)
MISSING_TOPIC = frozenset({"UnknownTopicOrPartitionError", "InvalidTopicError"})
DENIED = frozenset({"TopicAuthorizationFailedError", "GroupAuthorizationFailedError", "ClusterAuthorizationFailedError"})
"""Names of aiokafka's errors: to know them by name needs no import."""


class Connection(Protocol):
    """What ``connect`` gives."""

    def close(self) -> object:
        """Close it."""


Connect = Callable[..., Awaitable[Connection]]


async def unreachable(options: ConnectionOptions, connect: Connect, arguments: Mapping[str, Any]) -> list[str]:
    """One sentence for each bootstrap server that cannot be used; empty as soon as one can."""
    kept = {name: value for name, value in arguments.items() if name not in ("bootstrap_servers", "metadata_max_age_ms")}
    kept["request_timeout_ms"] = int(PROBE_SECS * 1000)
    found = []
    for host, port in options.hosts():
        try:
            with anyio.fail_after(PROBE_SECS * 2):
                connection = await connect(host, port, **kept)
        except Exception as error:  # noqa: BLE001  whatever a connect raises is the finding
            found.append(sentence(error, f"{host}:{port}", options))
        else:
            connection.close()
            return []
    return found


def sentence(error: BaseException, broker: str, options: ConnectionOptions) -> str:  # noqa: PLR0911  one return a finding
    """What an error at this broker means."""
    name = type(error).__name__
    match error:
        case _ if name in LOGIN_ERRORS:
            who = f'user "{options.sasl.username}"' if options.sasl.username else "the token"
            return f"login of {who} refused by broker {broker} ({options.sasl.mechanism}): {_detail(error)}"
        case ssl.SSLCertVerificationError():
            return f"certificate of broker {broker} is refused: {error.verify_message}; see tls.ca_file"
        case ssl.SSLError():
            return f"TLS with broker {broker} failed: {error.reason or error}; is this its TLS port?"
        case socket.gaierror():
            return f"broker {broker} is unknown: its host name does not resolve"
        case ConnectionRefusedError():
            return f"broker {broker} refuses connections: nothing listens there"
        case TimeoutError():
            return f"broker {broker} does not answer"
        case _ if name == "KafkaConnectionError" or isinstance(error, ConnectionError):
            return f"broker {broker} closes the connection: does its listener expect {_other(options)}?"
        case _:
            return f"broker {broker} cannot be used: {name}: {_detail(error)}"


def _other(options: ConnectionOptions) -> str:
    return "no TLS or another login" if options.tls.enabled else "TLS (tls.enabled = true) or a login (sasl.enabled = true)"


def _detail(error: BaseException) -> str:
    text = " ".join(str(part) for part in error.args) if error.args else str(error)
    return " ".join(text.split())[:300] or "no reason given"


def quiet() -> None:
    """aiokafka logs each failed attempt, ten a second while a broker is away; what matters is logged once by the engine."""
    logger = logging.getLogger("aiokafka")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
