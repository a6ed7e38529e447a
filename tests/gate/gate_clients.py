"""A client that writes what it is told, and says what came back."""

import socket
import time
from collections.abc import Iterable
from enum import StrEnum

WAIT_SECS = 1.5


class Outcome(StrEnum):
    """What came back."""

    SECRET = "secret"  # noqa: S105  no password
    REFUSED = "403"
    RESET = "reset"
    CLOSED = "closed"
    HELLO = "hello"
    OTHER = "another answer"
    NOTHING = "nothing"


def outcome(received: bytes, otherwise: Outcome) -> Outcome:
    """What was received says."""
    if b"SECRET" in received:
        return Outcome.SECRET
    if b"refused by this host" in received:
        return Outcome.REFUSED
    if otherwise is Outcome.RESET:
        return otherwise
    if b"hello" in received:
        return Outcome.HELLO
    return Outcome.OTHER if received else otherwise


def ask(host: str, port: int, pieces: Iterable[bytes | float], wait_secs: float = WAIT_SECS) -> Outcome:
    """Write the pieces, wait where one is a number, then read until the connection ends or the secret is there."""
    received = b""
    end = Outcome.NOTHING
    with socket.create_connection((host, port), 2) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                if isinstance(piece, float):
                    time.sleep(piece)
                else:
                    client.sendall(piece)
            client.settimeout(wait_secs)
            while b"SECRET" not in received:
                data = client.recv(65536)
                if not data:
                    end = Outcome.CLOSED
                    break
                received += data
        except TimeoutError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            end = Outcome.RESET
    return outcome(received, end)
