"""Who may ask: an ASGI application around the one that answers. What it refuses never reaches that one.

A page of somebody else's can make a browser send requests here, by the address or, after rebinding a name of its own to it (DNS
rebinding), as its own origin. Three things stand against that, each alone sufficient for what is secret:

- ``Host`` is an address, ``localhost``, or the name that the user said to listen on. A rebound name is none of these.
- ``Origin`` and ``Sec-Fetch-Site``, where a browser sends them, are this page's own.
- What shows traffic wants the token in ``Authorization``. No browser adds that by itself, as it does a cookie, which it would
  also send to every other port of this host (RFC 6265, section 8.5).

Everything is read-only: GET and HEAD.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PROTECTED = "/api/"
"""What shows traffic. The rest is the page itself, the same for everybody."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The last two: nothing of the page may hand text to what parses HTML."""

HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class Guard:
    """``names``: what ``Host`` may say beside addresses and ``localhost``."""

    def __init__(self, app: Application, token: str, names: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._token = token.encode()
        self._names = names | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the beginning and end of the server."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _with_headers(send))
        else:  # a WebSocket: refused before it is open
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, why = self._refusal(scope)
        if status == 0:
            await self._app(scope, receive, send)
            return
        body = b'{"error":"%s"}' % why.encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    def _refusal(self, scope: Scope) -> tuple[int, str]:  # noqa: PLR0911  one for each rule
        """Status and reason; 0 where the request may pass."""
        given: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if given.setdefault(name, value) != value and name in (b"host", b"origin", b"authorization"):
                return 400, f"{name.decode()} is there twice"
        host = given.get(b"host", b"").decode("latin-1")
        site = given.get(b"sec-fetch-site", b"none")
        protected = scope["path"].startswith(PROTECTED)
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "this is read-only"
        if not self._known(host):
            return 403, "not by this name: use the address or localhost"
        if given.get(b"origin", f"http://{host}".encode()) != f"http://{host}".encode():
            return 403, "not for another page"
        if protected and site not in (b"none", b"same-origin"):
            return 403, "not for another page"
        if protected and not hmac.compare_digest(given.get(b"authorization", b""), b"Bearer " + self._token):
            return 401, "the token is missing or wrong: open the link that httpipe printed"
        return 0, ""

    def _known(self, host: str) -> bool:
        """Whether this is one of our names. An address cannot be rebound."""
        name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
        if port and not (port.isascii() and port.isdigit()):
            return False
        if name.lower() in self._names:
            return True
        bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
        try:
            return (ipaddress.ip_address(bare).version == 6) == (bare != name)
        except ValueError:
            return False


def _with_headers(send: Send) -> Send:
    """Every answer says what a browser may do with it."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message.get("headers", ()) if name not in HEADERS]
            message["headers"] = [*headers, *HEADERS.items()]
        await send(message)

    return sending
