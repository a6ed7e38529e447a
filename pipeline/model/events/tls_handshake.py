"""``tls.handshake``: what a TLS or QUIC handshake tells without any key (RFC 8446, RFC 5246, RFC 9001)."""

from typing import ClassVar

from pipeline.model.events.connection_event import ConnectionEvent, as_in_exchanges, connection_fields
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import TIMESTAMP, Kind

STRING, BOOL, STRINGS = FieldType.STRING, FieldType.BOOL, FieldType.STRINGS


class TlsHandshake(ConnectionEvent, frozen=True, gc=False):
    """One handshake, whether it came to an end or not. What TLS 1.3 encrypts, such as certificates, is absent."""

    event_name: ClassVar[str] = "tls.handshake"

    network_transport: str | None = None
    tls_protocol_name: str | None = None
    tls_protocol_version: str | None = None
    tls_established: bool | None = None
    tls_resumed: bool | None = None
    tls_cipher: str | None = None
    tls_curve: str | None = None
    tls_next_protocol: str | None = None
    tls_client_server_name: str | None = None
    tls_client_supported_ciphers: tuple[str, ...] = ()
    tls_client_ja3: str | None = None
    tls_server_ja3s: str | None = None
    tls_server_subject: str | None = None
    tls_server_issuer: str | None = None
    tls_server_not_before: str | None = None
    tls_server_not_after: str | None = None
    tls_server_hash_sha256: str | None = None
    tls_client_subject: str | None = None
    tls_client_issuer: str | None = None
    httpipe_tls_client_versions: tuple[str, ...] = ()
    httpipe_tls_client_alpn: tuple[str, ...] = ()
    httpipe_tls_client_ja4: str | None = None
    httpipe_tls_ech: bool | None = None
    httpipe_tls_alert: str | None = None
    httpipe_tls_alert_from: str | None = None
    error_type: str | None = None
    httpipe_duration_ms: float | None = None
    httpipe_ttfb_ms: float | None = None
    httpipe_tls_hello_retry_request: bool | None = None
    httpipe_tls_server_alternative_names: tuple[str, ...] = ()
    httpipe_tls_server_serial_number: str | None = None


# fmt: off
TLS_HANDSHAKE = Kind(
    TlsHandshake,
    "One TLS or QUIC handshake, as far as it is in clear.",
    (
        as_in_exchanges(TIMESTAMP.name, "Capture time of the first byte of the ClientHello."),
        Field("tls.client.server_name", STRING, "Server name that the client asked for (SNI, RFC 6066, section 3); with ECH the outer one.", alias="sni", number=44, ecs=("tls.client.server_name",)),
        Field("tls.protocol.name", STRING, "`tls` or `ssl`.", number=45, ecs=("tls.version_protocol",)),
        Field("tls.protocol.version", STRING, "The version chosen by the server: `1.0` to `1.3`, of SSL `3`.", number=46, ecs=("tls.version",)),
        Field("tls.established", BOOL, "Whether the handshake came to its end, as far as that can be seen.", number=47, ecs=("tls.established",)),
        Field("tls.resumed", BOOL, "Whether an earlier session was resumed.", number=48, ecs=("tls.resumed",)),
        Field("tls.cipher", STRING, "The cipher suite chosen by the server, as IANA names it.", number=49, ecs=("tls.cipher",)),
        Field("tls.curve", STRING, "The group of the key exchange, as IANA names it.", number=50, ecs=("tls.curve",)),
        Field("tls.next_protocol", STRING, "The protocol chosen by the server (ALPN, RFC 7301), such as `h2`.", number=51, ecs=("tls.next_protocol",)),
        Field("httpipe.tls.client.alpn", STRINGS, "The protocols that the client offered, in its order.", number=52),
        Field("httpipe.tls.client.versions", STRINGS, "The versions that the client offered, in its order, GREASE left out; the highest alone where it said no more.", number=53),
        Field("tls.client.supported_ciphers", STRINGS, "The cipher suites that the client offered, in its order, GREASE left out.", number=54, ecs=("tls.client.supported_ciphers",)),
        Field("tls.client.ja3", STRING, "JA3 fingerprint of the ClientHello.", number=55, ecs=("tls.client.ja3",)),
        Field("tls.server.ja3s", STRING, "JA3S fingerprint of the ServerHello.", number=56, ecs=("tls.server.ja3s",)),
        Field("httpipe.tls.client.ja4", STRING, "JA4 fingerprint of the ClientHello; begins with `q` for QUIC.", number=57),
        Field("tls.server.subject", STRING, "Subject of the server's certificate (RFC 4514); in clear up to TLS 1.2.", number=58, ecs=("tls.server.subject",)),
        Field("tls.server.issuer", STRING, "Issuer of the server's certificate.", number=59, ecs=("tls.server.issuer",)),
        Field("tls.server.not_before", STRING, "When the server's certificate begins to be valid, RFC 3339.", number=60, ecs=("tls.server.not_before",)),
        Field("tls.server.not_after", STRING, "When the server's certificate expires, RFC 3339.", number=61, ecs=("tls.server.not_after",)),
        Field("tls.server.hash.sha256", STRING, "SHA-256 of the server's certificate, upper case.", number=62, ecs=("tls.server.hash.sha256",)),
        Field("tls.client.subject", STRING, "Subject of the client's certificate.", number=63, ecs=("tls.client.subject",)),
        Field("tls.client.issuer", STRING, "Issuer of the client's certificate.", number=64, ecs=("tls.client.issuer",)),
        Field("httpipe.tls.ech", BOOL, "Whether the client offered Encrypted Client Hello: the name it really wants is not in clear.", number=65),
        Field("httpipe.tls.alert", STRING, "The first alert in clear, as IANA names it, such as `handshake_failure`.", number=66),
        Field("httpipe.tls.alert_from", STRING, "Who sent the alert: `client` or `server`.", number=67),
        Field("network.transport", STRING, "`tcp`, or `quic` for a QUIC Initial.", number=68, ecs=("network.transport",)),
        as_in_exchanges("error.type", "The alert (`encrypted_alert` where it is not in clear), `reset`, `closed` or `timeout`, or `not_tls` for a server that answered something else, where no connection came about."),
        as_in_exchanges("httpipe.duration_ms", "First byte of the ClientHello to the end of the handshake, where it came to one."),
        as_in_exchanges("httpipe.ttfb_ms", "First byte of the ClientHello to the first byte of the server's answer."),
        Field("httpipe.tls.hello_retry_request", BOOL, "Whether the server asked for another ClientHello (RFC 8446, section 4.1.4); fingerprints are those of the first one.", number=100),
        Field("httpipe.tls.server.alternative_names", STRINGS, "Hosts, addresses, mail addresses and URIs that the server's certificate is for (RFC 5280, section 4.2.1.6), 100 at most.", number=101, ecs=("tls.server.x509.alternative_names",)),
        Field("httpipe.tls.server.serial_number", STRING, "Serial number of the server's certificate, hexadecimal, upper case.", number=102, ecs=("tls.server.x509.serial_number",)),
        *connection_fields({"server.address": "The server name that the client asked for, else the server's socket address.", "server.port": "Port of the server's socket."}),
    ),
)
# fmt: on
