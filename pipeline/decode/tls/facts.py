"""What is known of one handshake, whatever carries it, as its messages tell."""

import msgspec

from pipeline.decode.marks import PROTOCOL_ERROR
from pipeline.decode.tls import certificate, client_hello, names, server_hello
from pipeline.decode.tls.certificate import Certificate
from pipeline.decode.tls.client_hello import ClientHello
from pipeline.decode.tls.cursor import Cursor, ShortError
from pipeline.decode.tls.messages import (
    CERTIFICATE,
    CLIENT_HELLO,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    SSL2_CLIENT_HELLO,
    Message,
)
from pipeline.decode.tls.server_hello import ServerHello
from pipeline.model.connection import Connection

_CRYPTO_ERROR = 0x100


class Side(msgspec.Struct, gc=False):
    """What one end has shown: its certificate, that it encrypts from here on, that it has finished, that it has ended."""

    certificate: Certificate | None = None
    changed: bool = False
    finished_ns: int = 0
    ended: bool = False


class Facts(msgspec.Struct, gc=False, eq=False):
    """Times are of the first byte of the ClientHello, of the first of the server's answer, and of the end; 0 for not seen.

    ``full``: the server has shown a certificate or said that it would, so that no session is resumed. ``curve`` is 0 for none.
    """

    connection: Connection
    client: Side
    server: Side
    begin_ns: int = 0
    answer_ns: int = 0
    end_ns: int = 0
    offer: ClientHello | None = None
    choice: ServerHello | None = None
    retried: bool = False
    full: bool = False
    curve: int = 0
    alert: str | None = None
    alert_by_client: bool = False
    established: bool | None = None
    error: str | None = None
    marks: int = 0

    @property
    def version(self) -> int:
        """The one that the server chose, 0 where that was not seen."""
        return self.choice.version if self.choice is not None else 0

    @property
    def is_1_3(self) -> bool:
        """Whether it is TLS 1.3, also while the server asks for another ClientHello."""
        return self.retried or self.version == names.TLS_1_3 or self.version & 0xFF00 == 0x7F00

    def side(self, *, client: bool) -> Side:
        """One of the two."""
        return self.client if client else self.server

    def message(self, message: Message, *, client: bool) -> None:
        """A handshake message in clear."""
        kind, body = message
        if body is None:
            self.full |= kind == SERVER_HELLO_DONE
            return
        if kind == CLIENT_HELLO and client:
            self.offers(client_hello.parse(body))
        elif kind == SSL2_CLIENT_HELLO:
            self.offers(client_hello.parse_ssl2(body))
        elif kind == SERVER_HELLO and not client:
            self.chooses(server_hello.parse(body))
        elif kind == CERTIFICATE:
            self.full |= not client
            self.side(client=client).certificate = _leaf(body)
        elif kind == SERVER_KEY_EXCHANGE and self.choice is not None and "_ECDH" in names.cipher_name(self.choice.cipher):
            self.curve = server_hello.curve(body)

    def offers(self, hello: ClientHello | None) -> None:
        """A ClientHello; the first one counts, and one behind a HelloRetryRequest differs little."""
        if hello is None:
            self.marks |= PROTOCOL_ERROR
        self.offer = self.offer or hello

    def chooses(self, hello: ServerHello | None) -> None:
        """A ServerHello or HelloRetryRequest."""
        if hello is None:
            self.marks |= PROTOCOL_ERROR
        elif hello.retry:
            self.retried = True
        else:
            self.choice, self.curve = hello, hello.group

    def gives_up(self, code: int, *, client: bool) -> None:
        """QUIC's CONNECTION_CLOSE in an Initial; an alert stands there behind 0x100 (RFC 9001, section 4.8)."""
        if code & ~0xFF == _CRYPTO_ERROR:
            self.alert, self.alert_by_client = names.alert_name(code & 0xFF), client
        self.established, self.error = False, self.alert or "closed"


def _leaf(body: bytes) -> Certificate | None:
    """The first certificate of a chain (RFC 5246, section 7.4.2); there may be none."""
    try:
        chain = Cursor(Cursor(body).vector(3))
        return certificate.parse(chain.vector(3)) if chain else None
    except ShortError:
        return None
