"""The canonical path of a list is the one that real servers resolve."""

import random
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from live_namespace import Namespace
from live_nginx import Nginx

from pipeline.lists.path import canonical_path, doubt_about

PARTS = (
    *("/", "//", "/./", "/../", "..", ".", "a", "bc", "...", ".a", "~", "admin"),
    *("%61", "%41", "%2e", "%2E%2e", "%2f", "%2F", "%20", "%c3%a9"),
)

NODE = """
const path = require('node:path');
for (const line of require('node:fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean))
  console.log(path.posix.normalize(decodeURIComponent(line)));
"""


def spellings(count: int) -> list[str]:
    """Paths that nobody writes but those who look for a way around."""
    draw = random.Random(19)
    return ["/" + "".join(draw.choices(PARTS, k=draw.randrange(12))) for _ in range(count)]


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


@pytest.mark.parametrize("path", ["/x\\..\\admin", "/admin;v=1/x", "/%2561dmin"])
def test_doubtful_paths_are_what_nginx_takes_them_for(nginx: Nginx, path: str) -> None:
    """Other servers read them otherwise, hence the doubt."""
    [(status, uri)] = asked(nginx.paths_socket, [path])
    assert (status, uri) == (200, canonical_path(path))
    assert doubt_about(uri)
