"""Write the seed corpus of ``fuzz_decode``: conversations that reach every phase of decode, as its ``records`` reads them."""

from pathlib import Path

C, S = 1, 0
OPEN = [(C | 1 << 2, b""), (S | 1 << 2, b"")]
GET = b"GET /a?sig=1 HTTP/1.1\r\nHost: h:8080\r\nUser-Agent: u\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
SEEDS = {
    "keep_alive": [*OPEN, (C, GET), (S, OK), (C, GET), (S, CHUNKED), (S | 2 << 2, b""), (C | 2 << 2, b"")],
    "pipelined": [*OPEN, (C, GET + GET + GET), (S, OK + CHUNKED), (S, OK)],
    "upload": [
        *OPEN,
        (C, b"POST /u HTTP/1.1\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n"),
        (S, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (C, b"abcdef"),
        (S, OK),
    ],
    "until_close": [*OPEN, (C, GET), (S, b"HTTP/1.0 200 OK\nServer: x\n\nabc"), (S | 2 << 2, b"def")],
    "early_answer": [
        *OPEN,
        (C, b"PUT /u HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        (S, b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        (C | 3 << 2, b""),
    ],
    "head": [*OPEN, (C, b"HEAD / HTTP/1.1\r\n\r\n"), (S, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")],
    "upgrade": [
        *OPEN,
        (C, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (S, b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n"),
        (S, b"\x81\x01a"),
    ],
    "websocket": [
        *OPEN,
        (C, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (S, b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n\x81\x01a"),
        (C, b"\x01\x82\0\0\0\0hi\x89\x80\0\0\0\0\x80\x80\0\0\0\0"),
        (S, b"\xc1\x03\x4a\x04\x00\x82\x7e\x01\x00" + bytes(100)),
        (S | 8 << 2, bytes(13)),
        (S, b"\x88\x02\x03\xe8"),
        (C | 3 << 2, b""),
    ],
    "grpc_web": [
        *OPEN,
        (C, b"POST /s.S/M HTTP/1.1\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 8\r\n\r\nAAAAAAE="),
        (S, b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web\r\nContent-Length: 26\r\n\r\n"),
        (S, b"\0\0\0\0\1x\x80\0\0\0\x0fgrpc-status: 0\r\n"),
    ],
    "connect": [*OPEN, (C, b"CONNECT h:443 HTTP/1.1\r\n\r\n"), (S, b"HTTP/1.1 200 OK\r\n\r\n"), (C, GET), (S, OK)],
    "simple": [*OPEN, (C, b"GET /old\r\n"), (S, b"<html>"), (S | 2 << 2, b"")],
    "joined": [(S, OK), (C, GET), (S, OK)],
    "gap": [*OPEN, (C, GET), (S | 11 << 2, b""), (S, OK), (C | 6 << 2, GET), (C | 9 << 2, GET), (S, OK)],
    "left_out": [*OPEN, (C, GET), (S | 8 << 2, CHUNKED[:-9]), (S, b"0\r\n\r\n"), (S | 7 << 2, OK)],
    "repeated": [*OPEN, (C, GET), (C | 4 << 2, GET), (S, OK), (S | 5 << 2, b"other")],
    "smuggled": [
        *OPEN,
        (C, b"POST / HTTP/1.1\r\nContent-Length : 5\r\nTransfer-Encoding:\x0bchunked\r\n folded\r\n\r\n0\r\n\r\nGET"),
        (S, OK),
    ],
    "chunks": [(C | 13 << 2, b""), (C | 16 << 2, GET), (S | 16 << 2, OK), (S | 14 << 2, b"12"), (C | 15 << 2, b"")],
    "secrets": [*OPEN, (C, b"GET http://u:p@h/?X-Amz-Signature=a&b=c HTTP/1.1\r\nCookie: c\r\n\r\n"), (S, OK)],
}


def main() -> None:
    """Write them beside this file, once for each set of options."""
    folder = Path(__file__).parent / "seeds"
    folder.mkdir(exist_ok=True)
    for name, segments in SEEDS.items():
        data = b"".join(bytes([control, len(payload)]) + payload for control, payload in segments)
        for options in range(4):
            (folder / f"{name}_{options}").write_bytes(bytes([options]) + data)


if __name__ == "__main__":
    main()
