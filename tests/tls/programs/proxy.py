"""One thread, one loop: TLS server, TLS clients, plain server, plain clients. PORT CERTIFICATE UPSTREAM-TLS-PORT [uvloop].

For each request it asks some of its upstreams, over connections that it keeps or makes new, and answers in pieces of many sizes.
"""

import asyncio
import random
import ssl
import sys
from contextlib import suppress

port, certificate, upstream = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
serving.load_cert_chain(certificate)
asking = ssl.create_default_context()
asking.check_hostname = False
asking.verify_mode = ssl.CERT_NONE
chance = random.Random(1)
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(stream: Stream, path: str) -> None:
    """One request, and the whole answer."""
    reader, writer = stream
    own = writer.get_extra_info("sockname")[1]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{writer.get_extra_info('peername')[1]}\r\n\r\n".encode())
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    body = await reader.readexactly(size)
    if body != f"peer={own} uri={path} end".encode():
        sys.exit(f"{path} from port {own}: {body!r}")


async def ask_some(kept: dict[str, Stream], name: str, plain: int) -> None:
    """One to three upstreams."""
    for kind in chance.sample(["tls", "plain", "once"], chance.randint(1, 3)):
        if kind == "once":
            if chance.random() < 0.3:
                stream = await asyncio.open_connection("127.0.0.1", upstream, ssl=asking)
                await ask(stream, f"/once/{name}")
                stream[1].close()
            continue
        if kind not in kept:
            where = (upstream, asking) if kind == "tls" else (plain, None)
            kept[kind] = await asyncio.open_connection("127.0.0.1", where[0], ssl=where[1])
        await ask(kept[kind], f"/{kind}/{name}")


async def respond(writer: asyncio.StreamWriter, line: bytes) -> None:
    """A body of one line, or of up to twenty thousand, in five pieces."""
    count = chance.choice([1, 1, 1, 10, 20_000])
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(line) * count))
    for _ in range(4):
        writer.write(line * (count // 4))
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    writer.write(line * (count - 4 * (count // 4)))
    await writer.drain()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, plain: int) -> None:
    """One client."""
    peer = writer.get_extra_info("peername")[1]
    kept: dict[str, Stream] = {}
    number = 0
    try:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            number += 1
            await ask_some(kept, f"{peer}-{number}", plain)
            await respond(writer, f"peer={peer} uri={path} end".encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
        for _, each in kept.values():
            each.close()


async def serve_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The upstream without TLS, on the same loop."""
    peer = writer.get_extra_info("peername")[1]
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            body = f"peer={peer} uri={path} end".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    writer.close()


async def main() -> None:
    """Until it is ended."""
    plain = await asyncio.start_server(serve_plain, "127.0.0.1", 0)
    plain_port = plain.sockets[0].getsockname()[1]
    server = await asyncio.start_server(lambda *stream: serve(*stream, plain_port), "127.0.0.1", port, ssl=serving)
    await server.serve_forever()


if len(sys.argv) > 4:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
