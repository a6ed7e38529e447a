"""What others may try: text of peers that would be script elsewhere, pages of others in the same browser, rebound names."""

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.captures import ACK, PSH, Connection, write
from tests.ui.browsing import Running, Watched, running

pytestmark = pytest.mark.ui

Look = Callable[..., Watched]

RUN = "document.title='run'"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg/onload={RUN}//",
    f"<body onload={RUN}>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<iframe src=javascript:parent.{RUN}></iframe>",
    f"<a href=javascript:{RUN}>x</a>",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<math><mtext><img src=x onerror={RUN}></mtext></math>",
    f"<template><img src=x onerror={RUN}></template>",
    f"</script><script>{RUN}</script>",
    f"</textarea><img src=x onerror={RUN}>",
    f"</title><img src=x onerror={RUN}>",
    f"--><script>{RUN}</script><!--",
    f"]]><script>{RUN}</script>",
    f'"><img src=x onerror={RUN}>',
    f"'><img src=x onerror={RUN}>",
    f"' onmouseover={RUN} x='",
    f'" style=animation-name:x onanimationstart={RUN} x="',
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "${document.title='run'}",
    "{{constructor.constructor(\"document.title='run'\")()}}",
    "event: rows\\ndata: {}\\n\\n",
    f"<style>@import'//x'</style><img src=x onerror={RUN}>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    "\u202e<script>\u2066\x1b[2J",
    "<form action=//evil><button>",
)


def capture_of(payloads: tuple[str, ...], path: Path) -> None:
    """An exchange for each, with it as path, query, host, header, method, reason and body, as far as HTTP has room."""

    def packets() -> Iterator[bytes]:
        for number, text in enumerate(payloads):
            raw = text.encode()
            word = raw.replace(b" ", b"%20").replace(b"\r", b"").replace(b"\n", b"")
            line = raw.replace(b"\r", b" ").replace(b"\n", b" ")
            body = json.dumps({"text": text, text: [text]}).encode()
            request = b"POST /%s?q=%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nX-%d: %s\r\nContent-Length: %d\r\n\r\n%s"
            answer = b"HTTP/1.1 500 %s\r\nContent-Type: text/html\r\nServer: %s\r\nContent-Length: %d\r\n\r\n%s"
            connection = Connection(number)
            yield from connection.opening()
            yield connection.packet(0, PSH | ACK, request % (word, word, word, line, number, line, len(body), body))
            yield connection.packet(1, PSH | ACK, answer % (line, line, len(raw), raw))
            yield from connection.closing()

    write(path, packets())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A page on a capture of all payloads."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.pcap"
    capture_of(PAYLOADS, path)
    with running("-r", path, "--bodies", "64KiB") as found:
        yield found


def test_nothing_that_peers_send_runs(hostile: Running, look: Look) -> None:
    """In any view, in the details of any exchange; the page adds no element for it and asks nobody for anything."""
    seen = look(hostile.link)
    page = seen.page
    rows = page.locator("#rows [role=row]:not([hidden])")
    expect(page.locator("#counts")).to_contain_text(f"{len(PAYLOADS)} exchanges here")
    title, seen_text = page.title(), ""
    page.locator("#grid").focus()
    page.keyboard.press("Home")
    for number in range(len(PAYLOADS)):
        page.keyboard.press("Enter" if number == 0 else "ArrowDown")
        if number == 0:
            page.locator("#details pre").first.wait_for()
            page.locator("#grid").focus()
        expect(page.locator("#details pre").first).to_contain_text('"text"')
        expect(page.locator("#details table").first).to_contain_text(f"X-{number}")
        seen_text += page.locator("#details").inner_text()
    assert rows.count() > 10
    assert all(text in seen_text for text in PAYLOADS if text.isascii() and "\x1b" not in text)  # shown, and as it is
    for key, what in (("2", "#endpoints tbody tr"), ("3", "#map .call"), ("4", "#pipeline .component")):
        page.keyboard.press(key)
        page.locator(what).first.wait_for(state="attached")
    assert page.title() == title
    made = (
        "main script, main iframe, main form:not(#filter), main video, main style, main math, main template, [onerror], [onload]"
    )
    assert page.locator(made).count() == 0
    assert page.locator("main img").count() == 0
    assert {url.split("/")[2] for url in seen.requests} == {hostile.address}
    assert seen.wrong == []


class Evil(http.server.BaseHTTPRequestHandler):
    """A page of somebody else's on another port of this host, which tries everything that a browser lets it."""

    target = ""

    def do_GET(self) -> None:
        """Its only page."""
        body = (
            "<!doctype html><title>waiting</title><iframe id=f src='TARGET/'></iframe><script>"
            "const got = []; const t = 'TARGET';"
            "const asks = ['/', '/api/hello', '/api/exchanges', '/api/pipeline', '/main.js'].flatMap((p) => ["
            " fetch(t + p).then((a) => a.text()).then((x) => got.push('read ' + p), () => {}),"
            " fetch(t + p, {headers: {Authorization: 'Bearer x'}}).then(() => got.push('preflight ' + p), () => {}),"
            " fetch(t + p, {mode: 'no-cors', credentials: 'include'}).then((a) => a.text())"
            ".then((x) => x && got.push('opaque ' + p), () => {}),"
            " fetch(t + p, {method: 'POST', mode: 'no-cors', body: 'x'}).then((a) => a.text())"
            ".then((x) => x && got.push('post ' + p), () => {}),"
            "]);"
            "asks.push(new Promise((done) => { const s = document.createElement('script'); s.src = t + '/api/hello';"
            " s.onload = () => { got.push('script'); done(); }; s.onerror = done; document.head.append(s); }));"
            "asks.push(new Promise((done) => { const w = new WebSocket(t.replace('http', 'ws') + '/api/exchanges');"
            " w.onopen = () => { got.push('socket'); done(); }; w.onerror = done; }));"
            "asks.push(new Promise((done) => { const e = new EventSource(t + '/api/exchanges');"
            " e.onopen = () => { got.push('events'); done(); }; e.onerror = () => { e.close(); done(); }; }));"
            "Promise.all(asks).then(() => { try { if (document.getElementById('f').contentDocument) got.push('frame'); } catch {}"
            " document.title = 'got ' + got.join(', '); });</script>"
        ).replace("TARGET", self.target)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def evil(demo: Running) -> Iterator[str]:
    """Where its page is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Ours", (Evil,), {"target": f"http://{demo.address}"}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_somebody_elses_learns_nothing(demo: Running, look: Look, evil: str) -> None:
    """Though the same browser looks at ours in another tab."""
    ours = look(demo.link)
    expect(ours.page.locator("#counts")).to_contain_text("22 exchanges here")
    other = ours.page.context.new_page()
    other.goto(evil)
    expect(other).not_to_have_title("waiting")
    assert other.title() == "got"
    frame = next(each for each in other.frames if each.parent_frame is not None)
    assert "httpipe" not in frame.content()


def test_a_rebound_name_gets_nothing(demo: Running, look: Look) -> None:
    """Not even the page, and not with the token."""
    port = demo.address.rpartition(":")[2]
    seen = look()
    answer = seen.page.goto(f"http://rebound.test:{port}/#token={demo.token}")
    assert answer is not None
    assert answer.status == 403
    asked = f"""async () => (await fetch('/api/hello', {{headers: {{Authorization: 'Bearer {demo.token}'}}}})).status"""
    assert seen.page.evaluate(asked) == 403


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/hello HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\n\r\n",
        "GET /api/hello HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\n\r\n",
        "GET http://{host}/api/hello HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\n\r\n",
        "GET /api/hello HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n",
        "GET /api/hello?token={token} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /api/hello HTTP/1.1\r\nHost: {host}\r\nCookie: token={token}\r\n\r\n",
        "GET //api/hello HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /%61pi/hello HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /x/../api/hello HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /API/hello HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /../app.py HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /%2e%2e/app.py HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /..%2fapp.py HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "POST /api/hello HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n",
        "GET /api/hello HTTP/1.1\r\nHost: {host}\r\nX: " + "x" * 70_000 + "\r\n\r\n",
        "\r\n\r\n\0\xff\r\n\r\n",
    ],
)
def test_odd_requests_are_refused(demo: Running, head: str) -> None:
    """On the wire, where no browser helps; nothing of the traffic or of our files is in the answer."""
    host, _, port = demo.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(head.format(host=demo.address, token=demo.token).encode("latin-1"))
        client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while more := client.recv(65536):
                answer += more
        except ConnectionResetError:
            pass  # it did not read all of it
    assert answer[:5] in (b"HTTP/", b"")
    assert answer[9:12] in (b"400", b"401", b"403", b"404", b"405", b"431", b"")
    assert b"formats" not in answer
    assert b"import" not in answer


def test_the_token_is_in_no_log_but_the_link(demo: Running, look: Look) -> None:
    """Nor in any header that the server sends."""
    seen = look(demo.link)
    expect(seen.page.locator("#counts")).to_contain_text("22 exchanges here")
    assert "".join(demo.said).count(demo.token) == 1
    answer = seen.page.request.get(f"http://{demo.address}/")
    assert demo.token not in str(answer.headers)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
