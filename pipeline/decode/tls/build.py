"""Handshake → event: the one place where OpenTelemetry's names meet what the hellos hold."""

from functools import lru_cache

import msgspec

from pipeline.decode.about import about
from pipeline.decode.shared import Shared
from pipeline.decode.tls import fingerprints, names
from pipeline.decode.tls.certificate import Certificate
from pipeline.decode.tls.client_hello import ClientHello
from pipeline.decode.tls.cursor import text
from pipeline.decode.tls.facts import Facts
from pipeline.decode.tls.handshake import ENCRYPTED_ALERT
from pipeline.decode.tls.server_hello import ServerHello
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.tls_handshake import TlsHandshake

TCP, QUIC = "tcp", "quic"
_EVENT_BYTES = 1100
"""What an event costs in memory beside its texts."""


class Offer(msgspec.Struct, frozen=True, gc=False):
    """What is reported of a ClientHello, but for its server name: clients say the same again and again."""

    versions: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    ja3: str | None = None
    ja4: str | None = None
    size: int = 0


class Choice(msgspec.Struct, frozen=True, gc=False):
    """What is reported of a ServerHello."""

    protocol: str | None = None
    version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    ja3s: str | None = None


NO_OFFER, NO_CHOICE, NO_CERTIFICATE = Offer(), Choice(), Certificate()


@lru_cache(maxsize=1024)  # 2 MB when full
def offer_of(hello: ClientHello, transport: str) -> Offer:
    """``hello`` without its server name."""
    versions = names.without_grease(hello.versions) or [hello.version]
    ciphers = tuple([names.cipher_name(each) for each in names.without_grease(hello.ciphers)])
    alpn = tuple([text(each) for each in hello.alpn])
    return Offer(
        tuple([names.version_name(each) for each in versions]),
        alpn,
        ciphers,
        fingerprints.ja3(hello),
        fingerprints.ja4(hello, "q" if transport == QUIC else "t"),
        sum(map(len, ciphers)) + sum(map(len, alpn)),
    )


@lru_cache(maxsize=1024)  # 0.5 MB when full
def choice_of(hello: ServerHello) -> Choice:
    """Servers choose the same again and again."""
    version = names.version_name(hello.version)
    return Choice(
        "ssl" if hello.version < names.TLS_1_0 else "tls",
        version,
        names.cipher_name(hello.cipher),
        text(hello.alpn) or None,
        fingerprints.ja3s(hello),
    )


def build(handshake: Facts, shared: Shared, transport: str = TCP) -> TlsHandshake:
    """The event. What was not seen, or is not in clear, is absent."""
    connection, hello = handshake.connection, handshake.offer
    offer = offer_of(msgspec.structs.replace(hello, server_name=None), transport) if hello is not None else NO_OFFER
    choice = choice_of(handshake.choice) if handshake.choice is not None else NO_CHOICE
    server, client = handshake.server.certificate or NO_CERTIFICATE, handshake.client.certificate or NO_CERTIFICATE
    name = hello.server_name if hello is not None else None
    begin, answer, end = handshake.begin_ns, handshake.answer_ns, handshake.end_ns
    return TlsHandshake(
        begin or answer,
        NO_ATTRIBUTES,
        _EVENT_BYTES + offer.size + _size(server) + _size(client),
        *about(connection, shared, handshake.marks, name),
        network_transport=transport,
        tls_protocol_name=choice.protocol,
        tls_protocol_version=choice.version,
        tls_established=handshake.established,
        tls_resumed=_resumed(handshake),
        tls_cipher=choice.cipher,
        tls_curve=names.group_name(handshake.curve) if handshake.curve else None,
        tls_next_protocol=choice.alpn,
        tls_client_server_name=name,
        tls_client_supported_ciphers=offer.ciphers,
        tls_client_ja3=offer.ja3,
        tls_server_ja3s=choice.ja3s,
        tls_server_subject=server.subject,
        tls_server_issuer=server.issuer,
        tls_server_not_before=server.not_before,
        tls_server_not_after=server.not_after,
        tls_server_hash_sha256=server.sha256,
        tls_client_subject=client.subject,
        tls_client_issuer=client.issuer,
        httpipe_tls_client_versions=offer.versions,
        httpipe_tls_client_alpn=offer.alpn,
        httpipe_tls_client_ja4=offer.ja4,
        httpipe_tls_ech=hello.ech if hello is not None else None,
        httpipe_tls_alert=handshake.alert,
        httpipe_tls_alert_from=_alert_from(handshake),
        httpipe_tls_hello_retry_request=handshake.retried if handshake.choice or handshake.retried else None,
        httpipe_tls_server_alternative_names=server.names,
        httpipe_tls_server_serial_number=server.serial,
        error_type=handshake.error,
        httpipe_duration_ms=max(end - begin, 0) / 1e6 if begin and end else None,
        httpipe_ttfb_ms=max(answer - begin, 0) / 1e6 if begin and answer else None,
    )


def _resumed(handshake: Facts) -> bool | None:
    """A server that resumes a session of TLS 1.2 or older sends no certificate and no ServerHelloDone (RFC 5246, section 7.3)."""
    choice = handshake.choice
    if choice is None:
        return None
    if handshake.is_1_3:
        return choice.pre_shared
    if handshake.full:
        return False
    return True if handshake.server.changed and not handshake.marks else None


def _alert_from(handshake: Facts) -> str | None:
    if handshake.alert is None and handshake.error != ENCRYPTED_ALERT:
        return None
    return "client" if handshake.alert_by_client else "server"


def _size(certificate: Certificate) -> int:
    return len(certificate.subject or "") + len(certificate.issuer or "") + sum(map(len, certificate.names))
