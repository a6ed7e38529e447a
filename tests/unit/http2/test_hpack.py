"""HPACK: the examples of the RFC, and what a decoder knows that did not see the beginning."""

import pytest

from pipeline.decode.http2.hpack import DEFAULT_TABLE, LARGEST_TABLE, Hpack, HpackError
from pipeline.decode.http2.huffman import HuffmanError
from pipeline.decode.http2.huffman import decode as huffman

REQUESTS = [
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
]
DATES = ["Mon, 21 Oct 2013 20:13:21 GMT", "Mon, 21 Oct 2013 20:13:21 GMT", "Mon, 21 Oct 2013 20:13:22 GMT"]
COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
RESPONSES = [
    [
        (":status", status),
        ("cache-control", "private"),
        ("date", date),
        ("location", "https://www.example.com"),
        *more,
    ]
    for status, date, more in zip(
        ("302", "307", "200"), DATES, ([], [], [("content-encoding", "gzip"), ("set-cookie", COOKIE)]), strict=True
    )
]
C3 = [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
]
C4 = ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"]
C5 = [
    (
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d70"
        "6c652e636f6d"
    ),
    "4803333037c1c0bf",
    (
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50"
        "495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
    ),
]
C6 = [
    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    "4883640effc1c0bf",
    (
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f"
        "9587316065c003ed4ee5b1063d5007"
    ),
]


def decoded(hpack: Hpack, block: str) -> list[tuple[str | None, str | None]]:
    """The fields of a block written in hexadecimal digits, as text."""
    return [(name and name.decode(), value and value.decode()) for name, value in hpack.decode(bytes.fromhex(block))]


@pytest.mark.parametrize(("blocks", "expected"), [(C3, REQUESTS), (C4, REQUESTS), (C5, RESPONSES), (C6, RESPONSES)])
def test_examples_of_the_rfc(blocks: list[str], expected: list[list[tuple[str, str]]]) -> None:
    """RFC 7541, appendix C.3 to C.6: what is decoded is what stands there, though the RFC's table evicts."""
    hpack = Hpack(whole=True)
    assert [decoded(hpack, block) for block in blocks] == expected


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", [("custom-key", "custom-header")]),
        ("040c2f73616d706c652f70617468", [(":path", "/sample/path")]),
        ("100870617373776f726406736563726574", [("password", "secret")]),
        ("82", [(":method", "GET")]),
    ],
)
def test_representations(block: str, expected: list[tuple[str, str]]) -> None:
    """RFC 7541, appendix C.2."""
    assert decoded(Hpack(whole=True), block) == expected


def test_what_was_not_seen_is_absent() -> None:
    """Without the first block its entries are unknown, those that are added are found, and none has another's value."""
    for first in range(1, 3):
        hpack = Hpack(whole=False)
        for block, expected in list(zip(C6, RESPONSES, strict=True))[first:]:
            fields = decoded(hpack, block)
            assert len(fields) == len(expected)
            assert all(got in {want, (None, None)} for got, want in zip(fields, expected, strict=True))


def test_a_lost_block_clears_the_log() -> None:
    """Behind a loss no earlier entry is used."""
    hpack = Hpack(whole=True)
    decoded(hpack, C3[0])
    hpack.lost()
    assert decoded(hpack, C3[1])[3:] == [(None, None), ("cache-control", "no-cache")]
    assert decoded(hpack, "be") == [("cache-control", "no-cache")]


def test_a_known_value_under_an_unknown_name() -> None:
    """A literal whose name has an unknown index has no name, and inserted it keeps having none."""
    hpack = Hpack(whole=False)
    assert decoded(hpack, "7f0003616263be") == [(None, "abc"), (None, "abc")]


@pytest.mark.parametrize(
    "block",
    [
        "80",  # index 0
        "ff",  # an integer that does not end
        "ffffffffffff0f",  # an integer that is too large
        "41",  # no value
        "410f7777",  # a value that ends early
        "400a6162",  # a name that ends early
        "0482ffff",  # padding of more than seven bits
        "0484fffffffc",  # EOS
        "048100",  # padding that is no EOS
    ],
)
def test_what_is_no_header_block(block: str) -> None:
    """RFC 7541, sections 5.1, 5.2 and 6.1: errors of decoding are told, as one kind of error."""
    with pytest.raises(HpackError):
        Hpack(whole=True).decode(bytes.fromhex(block))


def test_huffman_code() -> None:
    """RFC 7541, appendix B and section 5.2: short and long codes; what ends in less than a byte of ones is padded."""
    assert huffman(bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff")) == b"www.example.com"
    assert huffman(bytes.fromhex("ffc7")) == b"\0"
    for wrong in (b"\xff", b"\xff\xff\xff\xff"):
        with pytest.raises(HuffmanError):
            huffman(wrong)


def test_the_log_is_bounded() -> None:
    """However much is inserted, the log keeps about what a table of its size holds; also when all is one huge value."""
    for whole, most in ((True, DEFAULT_TABLE), (False, LARGEST_TABLE)):
        hpack = Hpack(whole=whole)
        for number in range(20_000):
            hpack.decode(b"\x40\x01a\x08%08d" % number)
        assert hpack.held_bytes < 6 * most
        hpack.decode(b"\x40\x01a\x7f\x81\xdf\x03" + b"x" * 61_440 + b"\x40\x01b\x7f\x81\xdf\x03" + b"y" * 61_440)
        assert hpack.held_bytes < 6 * most
        assert hpack.decode(b"\x40\x01c\x01d\xbe")[1] == (b"c", b"d")


def test_the_table_grows_with_what_the_encoder_says() -> None:
    """A size update lets old entries be found that a table of the default size has no room for."""
    entries = b"".join(b"\x40\x02n%d\x7f\x01" % (number % 10) + b"v" * 128 for number in range(200))
    small, large = Hpack(whole=True), Hpack(whole=True)
    small.decode(entries)
    large.decode(b"\x3f\xe1\xff\x03" + entries)
    assert small.decode(b"\xff\x78") == [(None, None)]
    assert large.decode(b"\xff\x78")[0][0] is not None
