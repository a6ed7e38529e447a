"""The page while a real server answers: what is captured on this host is on it at once, with the programs at both ends."""

import http.client
import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from benchmarks import live
from tests.ui.browsing import Running, Watched, running

pytestmark = [pytest.mark.ui, pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="capturing needs root")]

Look = Callable[..., Watched]
ROWS = "#rows [role=row]:not([hidden])"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of an nginx with an answer in JSON."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    with live.nginx(tmp_path_factory.mktemp("nginx"), port=free):
        yield free


@pytest.fixture(scope="module")
def capturing(port: int) -> Iterator[Running]:
    """`httpipe ui` on its port."""
    with running("-i", "lo", "-p", port, "--bodies", "4KiB") as found:
        yield found


def test_what_is_captured_is_on_the_page_at_once(capturing: Running, port: int, look: Look) -> None:
    """Exchange by exchange; details with heads, bodies and programs; endpoints, who calls whom, and nothing lost."""
    seen = look(capturing.link)
    page = seen.page
    page.locator("#state[data-state=live]").wait_for()
    client = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(1, 6):
        client.request("GET", f"/items/{number}?page=2", headers={"User-Agent": "tests", "Cookie": "secret=1"})
        assert client.getresponse().read()
        expect(page.locator(ROWS)).to_have_count(number)
    client.close()
    page.locator(ROWS).nth(2).click()
    details = page.locator("#details")
    expect(details).to_contain_text(f"http://127.0.0.1:{port}/items/3?page=2")
    text = details.inner_text()
    assert all(part in text for part in ("User-Agent\ttests", '"name": "thing"', "nginx", "python"))
    assert "secret=1" not in text
    page.locator("#grid").focus()
    page.keyboard.press("2")
    expect(page.locator("#endpoints tbody tr")).to_have_count(1)
    assert page.locator("#endpoints tbody tr").inner_text().startswith(f"GET 127.0.0.1:{port}/items/{{id}}\t")
    page.keyboard.press("3")
    expect(page.locator("#map tbody th")).to_have_text([r"python3.11 127.0.0.1 → nginx 127.0.0.1"])
    page.keyboard.press("4")
    page.locator("#pipeline .component").nth(1).wait_for()
    expect(page.locator("#losses")).to_have_text("Nothing was lost.")
    assert seen.wrong == []


class Waiting(http.server.BaseHTTPRequestHandler):
    """Answers when it is told to."""

    answers = threading.Event()

    def do_GET(self) -> None:
        """Some text."""
        self.answers.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_request_in_progress_becomes_its_exchange(look: Look) -> None:
    """In its place, as in the network tab of a browser."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Waiting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with running("-i", "lo", "-p", server.server_port, "--in-progress") as ours:
        seen = look(ours.link)
        rows = seen.page.locator(ROWS)
        seen.page.locator("#state[data-state=live]").wait_for()
        client = http.client.HTTPConnection("127.0.0.1", server.server_port)
        client.request("GET", "/slow")
        expect(rows).to_have_count(1)
        assert rows.inner_text().split("\n")[1:4:2] == ["GET", f"127.0.0.1:{server.server_port}"]
        expect(rows.locator(".c-status")).to_have_text("···")
        rows.click()
        expect(seen.page.locator("#details h2")).to_have_text("GET in progress")
        Waiting.answers.set()
        expect(rows.locator(".c-status")).to_have_text("200")
        expect(rows).to_have_count(1)
        client.close()
        assert seen.wrong == []
    server.shutdown()
    server.server_close()


def test_half_a_request_holds_neither_the_page_nor_the_end(port: int, look: Look) -> None:
    """Of as many clients as find a place."""
    with running("-i", "lo", "-p", port) as ours:
        host, _, page = ours.address.rpartition(":")
        clients = [socket.create_connection((host, int(page))) for _ in range(20)]
        try:
            for client in clients:
                client.sendall(b"GET /api/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
            seen = look(ours.link)
            seen.page.locator("#state[data-state=live]").wait_for()
            assert "exchanges seen" in ours.stop()
            assert ours.process.returncode == 0
        finally:
            for client in clients:
                client.close()
