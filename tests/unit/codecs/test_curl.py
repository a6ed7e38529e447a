"""Exchanges as curl commands: what a shell makes of them is what was sent, and nothing else happens."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Exchange
from pipeline.codecs.curl import curl, quoted


def words(command: str, folder: Path | None = None) -> list[str]:
    """What curl would be given: bash runs the line with a function of that name."""
    script = 'curl() { printf "%s\\0" "$@"; }\n' + command
    run = subprocess.run(["bash", "-c", script], capture_output=True, check=True, cwd=folder, timeout=20)
    return run.stdout.decode().split("\0")[:-1]


def exchange(**fields: object) -> Exchange:
    """A GET of one page."""
    known: dict[str, object] = {
        "timestamp_ns": 1,
        "http_request_method": "GET",
        "url_scheme": "http",
        "url_path": "/a",
        "httpipe_request_target": "/a",
        "server_address": "shop.example",
        "server_port": 80,
    }
    return Exchange(**{**known, **fields})  # type: ignore[arg-type]


def test_head_and_body_are_sent_again() -> None:
    """What curl writes itself is left out; a compressed answer is asked for by its option."""
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nAccept-Encoding: gzip\r\nX-Note: it's\r\nX-Empty:\r\n\r\n"
    event = exchange(http_request_method="POST", request_head=head, http_request_body_content='{"a":1}')
    assert words(curl(event)) == [
        *("-i", "--path-as-is", "-g", "http://shop.example/a", "-H", "X-Note: it's", "-H", "X-Empty;"),
        *("--compressed", "--data-raw", '{"a":1}'),
    ]


def test_no_credential_is_in_it() -> None:
    """As wherever heads are shown."""
    head = b"GET /a HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nCookie: id=s3cret\r\n\r\n"
    assert "s3cret" not in curl(exchange(request_head=head))


@pytest.mark.parametrize("evil", ["/$(touch pwned)", "/`touch pwned`", "/';touch pwned;'", "/\\';touch pwned"])
def test_nothing_from_the_wire_is_run(evil: str, tmp_path: Path) -> None:
    """Path, header and body reach curl as they are."""
    head = b"PUT / HTTP/1.1\r\nX-Evil: " + evil.replace("\n", " ").encode() + b"\r\n\r\n"
    event = exchange(
        http_request_method="PUT", httpipe_request_target=evil, url_path=evil, request_head=head, http_request_body_content=evil
    )
    sent = words(curl(event), tmp_path)
    assert sent[-1] == evil
    assert f"http://shop.example{evil}" in sent
    assert not list(tmp_path.iterdir())


@settings(max_examples=40)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_one_word(text: str) -> None:
    """And the line has no control character."""
    line = quoted(text)
    assert line.isprintable()
    assert words(f"curl {line}") == [text]
