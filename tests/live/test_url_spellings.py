"""The canonical path of a list is the one that real servers resolve."""

import json
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import pytest
from live_namespace import Namespace
from live_nginx import Nginx

from pipeline.lists.path import canonical_path
from pipeline.lists.readings import readings

PARTS = (
    *("/", "//", "/./", "/../", "..", ".", "a", "bc", "...", ".a", "~", "admin"),
    *("%61", "%41", "%2e", "%2E%2e", "%2f", "%2F", "%20", "%c3%a9"),
)

ODD_PARTS = (*PARTS, "\\", "%5c", ";", ";a=b", "%3b", "%25", "%2561", "%252f", "%252e", "%09", "%0a")
"""Of which servers make different things."""

NODE = """
const path = require('node:path');
for (const line of require('node:fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean))
  console.log(path.posix.normalize(decodeURIComponent(line)));
"""


NODE_URL = """
for (const line of require('node:fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean)) {
  let path = null;
  try { path = decodeURIComponent(new URL(line, 'http://a').pathname.replace(/%(2f|5c)/gi, '%25$1')); } catch {}
  console.log(JSON.stringify(path));
}
"""


def spellings(count: int, parts: Sequence[str] = PARTS) -> list[str]:
    """Paths that nobody writes but those who look for a way around."""
    draw = random.Random(19)
    return ["/" + "".join(draw.choices(parts, k=draw.randrange(12))) for _ in range(count)]


def is_read(path: str, by_server: str) -> bool:
    """Whether what a server takes a path for is among its readings; of repeated slashes a list makes one."""
    paths, complete = readings(path)
    return not complete or re.sub("/+", "/", by_server) in {re.sub("/+", "/", each) for each in paths}


def within_the_root(path: str) -> bool:
    """Whether no step leads above the root: nginx refuses such a path."""
    depth = 0
    for segment in unquote_to_bytes(path).split(b"/"):
        depth += {b"..": -1, b"": 0, b".": 0}.get(segment, 1)
        if depth < 0:
            return False
    return True


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """A server that answers with the path that it has made out."""
    namespace = Namespace()
    server = Nginx(tmp_path, namespace, ["127.0.0.1:80"])
    yield server
    server.stop()
    namespace.remove()


def asked(socket_path: Path, paths: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Status and body for each path, over one connection."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(socket_path))
        answers = client.makefile("rb")
        for path in paths:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            status = int(answers.readline().split()[1])
            length = 0
            while line := answers.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            yield status, answers.read(length).decode()


def test_nginx_looks_for_the_canonical_path(nginx: Nginx) -> None:
    """``$uri`` of two thousand spellings; the few it refuses lead above the root."""
    paths = [path for path in spellings(2000) if within_the_root(path)]
    found = list(asked(nginx.paths_socket, paths))
    assert [(path, status) for path, (status, _) in zip(paths, found, strict=True) if status != 200] == []
    differ = [(path, uri) for path, (_, uri) in zip(paths, found, strict=True) if uri != canonical_path(path)]
    assert differ == []
    assert len(paths) > 1000


def test_python_looks_for_the_canonical_path() -> None:
    """``http.server`` of the standard library, but for the last slash, which it looks at itself."""
    handler = SimpleHTTPRequestHandler.__new__(SimpleHTTPRequestHandler)
    handler.directory = "/"
    paths = spellings(2000)
    differ = [path for path in paths if handler.translate_path(path).rstrip("/") != canonical_path(path).rstrip("/")]
    assert differ == []


def test_node_looks_for_the_canonical_path() -> None:
    """``path.posix.normalize`` of the decoded path, as its static servers do; but for the last slash, as above."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    paths = spellings(2000)
    done = subprocess.run([node, "-e", NODE], input="\n".join(paths), capture_output=True, text=True, check=True, timeout=60)
    found = zip(paths, done.stdout.splitlines(), strict=True)
    assert [path for path, by_node in found if by_node.rstrip("/") != canonical_path(path).rstrip("/")] == []


def test_what_nginx_makes_of_odd_paths_is_a_reading(nginx: Nginx) -> None:
    """Those it refuses lead above the root."""
    paths = [path for path in spellings(2000, ODD_PARTS) if within_the_root(path)]
    found = [(path, uri) for path, (_, uri) in zip(paths, asked(nginx.paths_socket, paths), strict=True)]
    assert [(path, uri) for path, uri in found if not is_read(path, uri)] == []
    assert len(found) > 1000


def test_what_the_urls_of_node_make_of_odd_paths_is_a_reading() -> None:
    """``new URL(request.url, base)``, which knows hosts, backslashes and tabs in a path, and escaped slashes not."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    paths = [path.replace("%09", "\t") for path in spellings(2000, ODD_PARTS)]
    done = subprocess.run([node, "-e", NODE_URL], input="\n".join(paths), capture_output=True, text=True, check=True, timeout=60)
    taken = zip(paths, map(json.loads, done.stdout.splitlines()), strict=True)
    found = [(path, made) for path, made in taken if made is not None]
    assert [(path, made) for path, made in found if not is_read(path, made)] == []
    assert len(found) > 1000


def test_what_python_makes_of_odd_paths_is_a_reading() -> None:
    """``http.server`` follows dot segments after decoding; a framework's router may compare what is only decoded."""
    handler = SimpleHTTPRequestHandler.__new__(SimpleHTTPRequestHandler)
    handler.directory = "/"
    for path in spellings(2000, ODD_PARTS):
        assert is_read(path, unquote(path)), path
        made = handler.translate_path(path).rstrip("/")
        assert is_read(path, made or "/") or is_read(path, f"{made}/"), path


@pytest.mark.parametrize("path", ["/x\\..\\admin", "/admin;v=1/x", "/%2561dmin"])
def test_doubtful_paths_are_what_nginx_takes_them_for(nginx: Nginx, path: str) -> None:
    """Other servers read them otherwise, hence the doubt."""
    [(status, uri)] = asked(nginx.paths_socket, [path])
    assert (status, uri) == (200, canonical_path(path))
    assert len(readings(path).paths) > 1
