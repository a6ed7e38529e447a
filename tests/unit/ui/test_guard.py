"""Who may ask the page's server: every rule, and that what is refused never reaches the application."""

from typing import Any

import anyio
import pytest

from pipeline.ui.guard import HEADERS, Guard, Message, Receive, Scope, Send

TOKEN = "t" * 32
HOST = "127.0.0.1:8080"
BEARER = f"Bearer {TOKEN}"


def ask(
    path: str = "/api/hello", method: str = "GET", kind: str = "http", **headers: str
) -> tuple[int, dict[bytes, bytes], bool]:
    """Status, headers, and whether the application was asked. ``host`` and ``authorization`` are right unless given."""
    given = {"host": HOST, "authorization": BEARER} | {name.replace("_", "-"): value for name, value in headers.items()}
    sent: list[Message] = []
    asked = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        asked.append(True)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": kind, "path": path, "method": method, "headers": [(k.encode(), v.encode()) for k, v in given.items() if v]}
    anyio.run(Guard(app, TOKEN, frozenset({"watch.internal"})), scope, receive, send)
    return sent[0].get("status", 0), dict(sent[0].get("headers", ())), bool(asked)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost:8080",
        "LOCALHOST",
        "[::1]:8080",
        "[::1]",
        "10.2.3.4:80",
        "watch.internal:8080",
        "localhost:9999",
    ],
)
def test_addresses_and_own_names_are_answered(host: str) -> None:
    """Any port: a tunnel has another one."""
    assert ask(host=host)[::2] == (200, True)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1:8080.evil.example",
        "localhost:80:80",
        "0x7f.1",
        "2130706433",
        "::1",
        "[127.0.0.1]",
        "[::1].evil.example",
        "user@127.0.0.1",
        "",
        " ",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_a_name_of_somebody_elses_is_refused(host: str, path: str) -> None:
    """DNS rebinding, for the page itself too."""
    assert ask(path, host=host)[::2] == (403, False)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8080", "http://127.0.0.1:9999", ""])
def test_another_origin_is_refused(origin: str) -> None:
    """Also where the token were known."""
    assert ask(origin=origin or "http://")[::2] == (403, False)


def test_the_pages_own_requests_pass() -> None:
    """As a browser sends them."""
    assert ask(origin=f"http://{HOST}", sec_fetch_site="same-origin")[::2] == (200, True)
    assert ask("/", authorization="", sec_fetch_site="cross-site")[::2] == (200, True)  # a link in a chat


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_asks_for_is_refused(site: str) -> None:
    """The port next door is the same site."""
    assert ask(sec_fetch_site=site)[::2] == (403, False)


@pytest.mark.parametrize(
    "given", ["", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN]
)
def test_without_the_token_nothing_is_shown(given: str) -> None:
    """And what the answer wants is said."""
    status, headers, asked = ask(authorization=given)
    assert (status, headers[b"www-authenticate"], asked) == (401, b"Bearer", False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"])
def test_it_is_read_only(method: str) -> None:
    """OPTIONS, too: no preflight ever succeeds."""
    assert ask(method=method)[::2] == (405, False)


def test_a_websocket_is_refused() -> None:
    """Browsers send those to any origin."""
    status, _, asked = ask(kind="websocket")
    assert (status, asked) == (0, False)


@pytest.mark.parametrize("host", [HOST, "evil.example"])
def test_every_answer_has_the_headers_once(host: str) -> None:
    """Those of the application give way."""
    headers = ask(host=host)[1]
    assert HEADERS.items() <= headers.items()
