"""Bodies on request: dechunked, decompressed within the bound, text as text, anything else as base64."""

import base64
import gzip
import zlib

import brotli
import pytest
from decode_support import decode, talk_of

from pipeline.codecs.zstd import zstd
from pipeline.decode import codings
from pipeline.model.events.exchange import Exchange
from pipeline.testing.packets import request, response

TEXT = "Grüße, world! " * 50
RAW = TEXT.encode()
CODINGS = {
    "gzip": gzip.compress(RAW),
    "x-gzip": gzip.compress(RAW[:100]) + gzip.compress(RAW[100:]),
    "deflate": zlib.compress(RAW),
    "Deflate": zlib.compress(RAW, wbits=-15),
    "br": brotli.compress(RAW),
    "zstd": zstd.compress(RAW),
    "gzip, br": brotli.compress(gzip.compress(RAW)),
    "identity": RAW,
}


def answered(body: bytes, *fields: str, max_bytes: int = 10_000, content_types: tuple[str, ...] = ()) -> Exchange:
    """The exchange whose response has this body."""
    talk = talk_of(("C", request()), ("S", response(body, fields=fields)), mss=100)
    (exchange,) = decode(talk.segments, bodies={"max_bytes": max_bytes, "content_types": content_types})
    return exchange


@pytest.mark.parametrize("coding", CODINGS)
def test_content_codings(coding: str) -> None:
    """Every common content coding is undone; the body's size stays that of the transfer."""
    exchange = answered(CODINGS[coding], f"Content-Encoding: {coding}", "Content-Type: text/plain")
    assert exchange.http_response_body_content == TEXT
    assert exchange.http_response_body_size == len(CODINGS[coding])
    assert exchange.httpipe_response_body_decoded_size == len(RAW)
    assert (exchange.httpipe_response_body_encoding, exchange.httpipe_marks) == (None, ())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bombs(coding: str) -> None:
    """A body that expands a thousandfold is cut at the bound, and marked."""
    zeros = b"a" * 5_000_000
    packed = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": lambda raw: brotli.compress(raw, quality=1),
        "zstd": zstd.compress,
    }[coding](zeros)
    exchange = answered(packed, f"Content-Encoding: {coding}", max_bytes=100_000)
    assert len(exchange.http_response_body_content or "") == 100_000
    assert exchange.httpipe_marks == ("truncated",)
    assert exchange.httpipe_response_body_decoded_size is None
    assert exchange.http_response_body_size == len(packed)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"compress", b"gzip,gzip,gzip,gzip,gzip"])
def test_damaged_codings(coding: bytes) -> None:
    """What cannot be undone is given back as it is."""
    assert codings.decode(b"\x00\x01 not compressed", coding, 100) == (b"\x00\x01 not compressed", False, False)


def wide_window() -> bytes:
    """A zstd frame whose window is larger than HTTP allows (RFC 9659)."""
    options = {zstd.CompressionParameter.window_log: 27}
    stream = zstd.ZstdCompressor(options=options)
    return stream.compress(RAW) + stream.flush()


UNDECODABLE = {
    "gzip without its end": ("gzip", gzip.compress(RAW)[:-4]),
    "gzip with more behind it": ("gzip", gzip.compress(RAW) + b"garbage"),
    "gzip damaged in its second member": ("gzip", gzip.compress(RAW) + gzip.compress(RAW)[:20] + b"\xff" * 40),
    "gzip of too many members": ("gzip", gzip.compress(b"") * 300),
    "deflate without its end": ("deflate", zlib.compress(RAW)[:-6]),
    "raw deflate without its end": ("deflate", zlib.compress(RAW, wbits=-15)[:-6]),
    "deflate with more behind it": ("deflate", zlib.compress(RAW) + b"garbage"),
    "br without its end": ("br", brotli.compress(RAW)[:-2]),
    "br with more behind it": ("br", brotli.compress(RAW) + b"garbage"),
    "zstd without its end": ("zstd", zstd.compress(RAW)[:-3]),
    "zstd with more behind it": ("zstd", zstd.compress(RAW) + b"garbage"),
    "zstd of a window beyond HTTP's": ("zstd", wide_window()),
    "zstd of too many frames": ("zstd", zstd.compress(b"x") * 300),
    "an unknown coding": ("aws-chunked", RAW),
    "an unknown coding below a known one": ("compress, gzip", gzip.compress(RAW)),
    "a damaged coding below a whole one": ("gzip, br", brotli.compress(gzip.compress(RAW)[:-4])),
    "a whole coding below a damaged one": ("br, gzip", gzip.compress(brotli.compress(RAW)) + b"garbage"),
    "more codings than anybody means": ("gzip, gzip, gzip, gzip", RAW),
}


@pytest.mark.parametrize("case", UNDECODABLE)
def test_no_size_of_what_was_not_decoded(case: str) -> None:
    """Where a coding was not undone to its very end no decoded size is stated; the content is what could be had."""
    coding, body = UNDECODABLE[case]
    exchange = answered(body, f"Content-Encoding: {coding}", "Content-Type: text/plain")
    assert exchange.httpipe_response_body_decoded_size is None
    assert exchange.http_response_body_content is not None
    assert (exchange.http_response_body_size, exchange.httpipe_marks) == (len(body), ())


def test_frames_of_zstd() -> None:
    """Frames behind each other are one body, and frames that are to be skipped are (RFC 8878, section 3.1.2)."""
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    body = zstd.compress(RAW[:100]) + skipped + zstd.compress(RAW[100:])
    exchange = answered(body, "Content-Encoding: zstd", "Content-Type: text/plain")
    assert (exchange.http_response_body_content, exchange.httpipe_response_body_decoded_size) == (TEXT, len(RAW))


def test_transfer_codings() -> None:
    """A transfer coding below chunked is undone like a content coding; one that is unknown leaves no decoded size."""
    for coding, size in (("gzip", len(RAW)), ("compress", None)):
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CODINGS["gzip"]), CODINGS["gzip"])
        head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}, chunked\r\n\r\n".encode()
        (exchange,) = decode(talk_of(("C", request()), ("S", head + chunks)).segments, bodies={})
        assert exchange.httpipe_response_body_decoded_size == size
        assert exchange.http_response_body_size == len(CODINGS["gzip"])


def test_a_million_empty_members() -> None:
    """A gzip body of ever so many members costs no more than a bounded number of them."""
    assert codings.decode(gzip.compress(b"") * 100_000, b"gzip", 1000).body == b""


def test_truncated() -> None:
    """What is longer than the bound is cut, marked, and its size is right all the same."""
    exchange = answered(b"0123456789" * 10, max_bytes=15)
    assert exchange.http_response_body_content == "012345678901234"
    assert (exchange.http_response_body_size, exchange.httpipe_marks) == (100, ("truncated",))


def test_binary_as_base64() -> None:
    """Bytes that are not text are base64."""
    body = bytes(range(256))
    exchange = answered(body, "Content-Type: image/png")
    assert base64.b64decode(exchange.http_response_body_content or "") == body
    assert exchange.httpipe_response_body_encoding == "base64"


def test_declared_charset() -> None:
    """Text in another charset is read by it; a charset that nobody knows makes it base64."""
    body = "Grüße".encode("latin-1")
    assert answered(body, "Content-Type: text/html; charset=ISO-8859-1").http_response_body_content == "Grüße"
    assert answered(body, "Content-Type: text/html; charset=klingon").httpipe_response_body_encoding == "base64"


def test_only_wanted_types() -> None:
    """Bodies of other types than the wanted ones are not kept."""
    for kind, kept in (("application/json; charset=utf-8", True), ("text/css", True), ("image/png", False)):
        exchange = answered(b"{}", f"Content-Type: {kind}", content_types=("application/json", "text/*"))
        assert (exchange.http_response_body_content is not None) is kept


def test_chunked_upload() -> None:
    """A chunked request body is reported without its framing."""
    upload = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n4\r\ndefg\r\n0\r\nT: 1\r\n\r\n"
    (exchange,) = decode(talk_of(("C", upload), ("S", response(b"ok")), mss=3).segments, bodies={})
    assert (exchange.http_request_body_content, exchange.http_response_body_content) == ("abcdefg", "ok")


def test_off_by_default() -> None:
    """Without the option no body is kept."""
    (exchange,) = decode(talk_of(("C", request()), ("S", response(b"secret"))).segments)
    assert exchange.http_response_body_content is None
