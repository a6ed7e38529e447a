"""An HTTPS server on asyncio: PORT CERTIFICATE [uvloop]. Memory BIOs, one thread."""

import asyncio
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say whom it answers, and what."""
    peer = writer.get_extra_info("peername")[1]
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = f"peer={peer} uri={head.split()[1].decode()} end".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Until it is ended."""
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), ssl=context)
    await server.serve_forever()


if len(sys.argv) > 3:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
