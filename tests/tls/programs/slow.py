"""A client with small reads and pauses between them: PORT CONNECTIONS REQUESTS [uvloop]. All on one loop."""

import asyncio
import random
import ssl
import sys

port, connections, requests_each = map(int, sys.argv[1:4])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
chance = random.Random(2)


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    """One request; the answer byte by byte at first, then in pieces of many sizes."""
    own = writer.get_extra_info("sockname")[1]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    await writer.drain()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await reader.readexactly(1)
    left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    body = b""
    while left:
        piece = await reader.read(min(left, chance.choice([100, 5000, 200_000])))
        left -= len(piece)
        body = body or piece
        if chance.random() < 0.05:
            await asyncio.sleep(chance.random() / 50)
    if not body.startswith(f"peer={own} uri=".encode()):
        sys.exit(f"{path} from port {own}: {body[:60]!r}")


async def one(number: int) -> None:
    """A connection."""
    await asyncio.sleep(chance.random() / 5)
    limit = chance.choice([100, 4096, 65536])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=limit)
    for request in range(requests_each):
        await get(reader, writer, f"/slow/{number}-{request}")
    writer.close()


async def main() -> None:
    """All of them at once."""
    await asyncio.gather(*map(one, range(connections)))


if len(sys.argv) > 4:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
