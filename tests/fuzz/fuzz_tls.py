"""Coverage-guided fuzzing of what reads TLS: ``python tests/fuzz/fuzz_tls.py -max_total_time=600 CORPUS``.

The input is a byte that says what it is, and the rest: a hello, a certificate, the frames of an Initial, a datagram, or what both
directions of a connection say, in pieces of which each begins with a byte of direction and length. What must hold: nothing
raises, decode counts no failure of its own, and behind the end nothing is held. Not a pytest test.
"""

import sys

import atheris

with atheris.instrument_imports(include=["pipeline.decode.tls"]):
    from pipeline.decode import DecodeOptions, Decoder
    from pipeline.decode.tls import certificate, client_hello, server_hello
    from pipeline.decode.tls.quic import frames, packets
from pipeline.testing.packets import Talk

MEMORY = 1 << 20
PARSERS = (
    client_hello.parse,
    client_hello.parse_ssl2,
    server_hello.parse,
    certificate.parse.__wrapped__,
    frames.parse,
    lambda data: list(packets.initials(data)),
)


def converse(data: bytes) -> None:
    """Two directions, in pieces."""
    failures: list[str] = []
    decoder = Decoder(
        DecodeOptions(tls_handshakes=True, max_memory_bytes=MEMORY), source="fuzz", count=lambda name, _by: failures.append(name)
    )
    talk, at = Talk(), 0
    while at < len(data):
        control = data[at]
        piece = data[at + 1 : at + 2 + (control >> 2) * 4]
        if control & 2:
            talk.skip(control >> 2, client=bool(control & 1))
        else:
            talk.send(piece, client=bool(control & 1))
        at += 1 + len(piece)
    decoder.feed(talk.close().segments)
    decoder.finish()
    if "decoder_internal_errors" in failures or decoder.held_bytes or decoder.held_exchanges or decoder.connections:
        raise AssertionError(failures)


def check(data: bytes) -> None:
    """One input."""
    if data:
        (PARSERS[data[0]] if data[0] < len(PARSERS) else converse)(data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
