"""A small shop's web server, for the demonstration capture: what a morning on a real one looks like, in two seconds."""

import asyncio

from aiohttp import WSMsgType, web

CATALOGUE = {"items": [{"id": number, "name": f"teapot no. {number}", "price": 19.5 + number} for number in range(40)]}
PAGE = "<!doctype html><title>Shop</title>" + "<p>Teapots, and nothing but teapots.</p>" * 40


def answer(status: int, body: object = None, **headers: str) -> web.Response:
    """A JSON answer, or an empty one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        web.json_response(body, status=status, headers=named) if body is not None else web.Response(status=status, headers=named)
    )


async def page(_request: web.Request) -> web.Response:
    """The start page, compressed."""
    response = web.Response(text=PAGE, content_type="text/html")
    response.enable_compression()
    return response


async def slow(_request: web.Request) -> web.Response:
    """A search that takes its time."""
    await asyncio.sleep(0.35)
    return answer(200, {"hits": []})


async def take(request: web.Request) -> web.Response:
    """An upload."""
    return answer(202, {"bytes": len(await request.read())})


async def export(request: web.Request) -> web.StreamResponse:
    """A download in chunks."""
    response = web.StreamResponse(headers={"Content-Type": "text/csv"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for number in range(12):
        await response.write(b"".join(b"%d;teapot;%d\n" % (number, line) for line in range(150)))
        await asyncio.sleep(0.01)
    await response.write_eof()
    return response


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Prices as they change."""
    response = web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        if message.type == WSMsgType.TEXT:
            await response.send_json({"id": 7, "price": 26.5})
    return response


async def hang_up(request: web.Request) -> web.Response:
    """A worker that dies with the request in its hands."""
    await asyncio.sleep(0.05)
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(1)
    return answer(200)


def fixed(status: int, body: object = None, **headers: str) -> object:
    """A handler that always answers the same."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return answer(status, body, **headers)

    return handle


ROUTES = [
    ("GET", "/", page),
    ("GET", "/style.css", fixed(304, ETag='"5f3c"')),
    ("GET", "/favicon.ico", fixed(404, {"error": "not found"})),
    ("GET", "/old-shop", fixed(301, Location="/")),
    ("*", "/healthz", fixed(200, {"status": "ok"})),
    ("GET", "/api/items", fixed(200, CATALOGUE)),
    ("GET", "/api/items/{id}", fixed(200, CATALOGUE["items"][7])),
    ("GET", "/api/search", slow),
    ("OPTIONS", "/api/cart", fixed(204, Access_Control_Allow_Methods="POST")),
    ("POST", "/api/cart", fixed(201, {"cart": 7})),
    ("PUT", "/api/cart/7", fixed(200, {"cart": 7, "items": 2})),
    ("DELETE", "/api/cart/7", fixed(204)),
    ("POST", "/api/login", fixed(401, {"error": "wrong password"}, WWW_Authenticate="Bearer")),
    ("GET", "/api/orders/9", fixed(500, {"error": "database is gone"})),
    ("GET", "/api/report", fixed(503, {"error": "busy"}, Retry_After="30")),
    ("PUT", "/api/photos/42", take),
    ("GET", "/api/export.csv", export),
    ("GET", "/api/invoice.pdf", fixed(200, {"pdf": "x" * 400})),
    ("GET", "/prices", socket),
    ("POST", "/api/checkout", hang_up),
]


def main() -> None:
    """Serve on port 80 until killed."""
    app = web.Application()
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, handler)  # type: ignore[arg-type]
    web.run_app(app, host="198.51.100.80", port=80, print=None, access_log=None)


if __name__ == "__main__":
    main()
