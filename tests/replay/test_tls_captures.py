"""Handshakes of other people's libraries: what their two ends were asked to do, and the fingerprints that tshark computes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.reader import CaptureReader

CAPTURES = sorted((Path(__file__).parent / "captures/tls").glob("*.pcap"))
NAMES = {
    "sni": "tls_client_server_name",
    "established": "tls_established",
    "resumed": "tls_resumed",
    "version": "tls_protocol_version",
    "versions": "httpipe_tls_client_versions",
    "cipher": "tls_cipher",
    "curve": "tls_curve",
    "alpn": "tls_next_protocol",
    "offered": "httpipe_tls_client_alpn",
    "retry": "httpipe_tls_hello_retry_request",
    "subject": "tls_server_subject",
    "issuer": "tls_server_issuer",
    "names": "httpipe_tls_server_alternative_names",
    "client_subject": "tls_client_subject",
    "alert": "httpipe_tls_alert",
    "alert_from": "httpipe_tls_alert_from",
    "error": "error_type",
    "ja3": "tls_client_ja3",
    "ja3s": "tls_server_ja3s",
    "ja4": "httpipe_tls_client_ja4",
    "transport": "network_transport",
}


def decode(path: Path, options: DecodeOptions) -> list[Event]:
    """All events; decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    decoder = Decoder(options, source="test", count=lambda name, by: counts.update({name: by}))
    reader = CaptureReader(Dissector(quic=options.tls_handshakes))
    events = [event for records in reader.feed(path.read_bytes()) for event in decoder.feed(records)]
    events += decoder.finish()
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return events


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_handshake_is_reported_as_its_two_ends_know_it(path: Path) -> None:
    """Names, versions, ciphers, certificates, resumption, alerts; and tshark's fingerprints."""
    expected: list[dict[str, Any]] = json.loads(path.with_suffix(".json").read_text())
    events = decode(path, DecodeOptions(tls_handshakes=True))
    found = [event for event in events if isinstance(event, TlsHandshake)]
    assert len(events) == len(found) == len(expected)
    for event, facts in zip(found, expected, strict=True):
        values = {fact: getattr(event, NAMES[fact]) for fact in facts}
        assert {fact: list(value) if isinstance(value, tuple) else value for fact, value in values.items()} == facts
        assert event.httpipe_marks == ()
        assert (event.httpipe_duration_ms is not None) == bool(event.tls_established)
        assert event.httpipe_ttfb_ms is not None


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_nothing_is_reported_of_tls_where_nobody_asks(path: Path) -> None:
    """Off, such a connection is passed over."""
    assert decode(path, DecodeOptions()) == []


def test_handshakes_and_exchanges_of_one_capture_are_both_reported() -> None:
    """What is not TLS is decoded as ever."""
    path = Path(__file__).parent / "captures/curl-nginx-any.pcap"
    plain = decode(path, DecodeOptions())
    assert plain
    assert decode(path, DecodeOptions(tls_handshakes=True)) == plain
    assert all(isinstance(event, Exchange) for event in plain)
