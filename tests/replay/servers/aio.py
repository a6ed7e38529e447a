"""aiohttp's server (port 8005) for the replay corpus: chunks, compression, WebSocket, errors, connections broken off."""

import asyncio

from aiohttp import WSMsgType, web


async def chunks(request: web.Request) -> web.StreamResponse:
    """A chunked answer."""
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    for number in range(int(request.query.get("n", "3"))):
        await answer.write(b"chunk %d\n" % number * 50)
    await answer.write_eof()
    return answer


async def echo(request: web.Request) -> web.Response:
    """What was posted, compressed where the client allows."""
    answer = web.Response(body=await request.read(), status=201)
    answer.enable_compression()
    return answer


async def socket(request: web.Request) -> web.WebSocketResponse:
    """A WebSocket that echoes."""
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        if message.type == WSMsgType.TEXT:
            await answer.send_str(message.data.upper())
    return answer


async def fail(_request: web.Request) -> web.Response:
    """An exception: 500."""
    raise RuntimeError("as asked")


async def hang_up(request: web.Request) -> web.Response:
    """No answer at all."""
    assert request.transport is not None
    request.transport.close()
    await asyncio.sleep(1)
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """Half an answer, then the connection is gone."""
    answer = web.StreamResponse()
    answer.content_length = 10_000
    await answer.prepare(request)
    await answer.write(b"x" * 4_000)
    assert request.transport is not None
    await asyncio.sleep(0.1)
    request.transport.abort()
    return answer


def main() -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_get("/chunks", chunks)
    app.router.add_post("/echo", echo)
    app.router.add_get("/ws", socket)
    app.router.add_get("/fail", fail)
    app.router.add_get("/hang-up", hang_up)
    app.router.add_get("/half", half)
    web.run_app(app, host="127.0.0.1", port=8005, print=None, access_log=None)


if __name__ == "__main__":
    main()
