"""A reload that gives the source other options, in the middle of traffic: each request is told once, whole or with a mark."""

import http.client
import json
import ssl
import threading
from collections import Counter
from functools import partial
from pathlib import Path

from reloads import WAIT_SECS, reload_while_asking
from tls_servers import Server

PIPELINE = """
[sources.https]
type = "tls"
executables = ["{executable}"]
exclude = [{exclude}]

[sinks.file]
type = "file"
inputs = ["https"]
path = "{output}"
"""

RELOADS = 4


def ask(port: int, told: list[int], goes_on: threading.Event) -> None:
    """Numbered requests without a pause: every other one on a connection that is kept, the others on one of their own."""
    context = ssl._create_unverified_context()  # noqa: S323  our own server
    kept = http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT_SECS, context=context)
    while goes_on.is_set():
        own = http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT_SECS, context=context)
        for connection in (kept, own):
            connection.request("GET", f"/{len(told)}")
            connection.getresponse().read()
            told.append(len(told))
        own.close()
    kept.close()


def test_no_request_is_lost_or_told_twice(nginx: Server, tmp_path: Path) -> None:
    """What was in flight is cut in two, whose halves say what they lack; everything else is whole."""
    output = tmp_path / "exchanges.jsonl"
    excluded = ["", *('"/no/such"' if turn % 2 else '"/no/such", "/nor/this"' for turn in range(RELOADS))]
    texts = [PIPELINE.format(executable=nginx.executable, exclude=exclude, output=output) for exclude in excluded]
    told, _ = reload_while_asking(tmp_path, texts, partial(ask, nginx.port))
    seen = [json.loads(line) for line in output.read_text().splitlines()]
    whole = [each for each in seen if "url.path" in each and "http.response.status_code" in each]
    halves = [each for each in seen if each not in whole]
    unmatched = [half for half in halves if "url.path" not in half]
    missing = {f"/{number}" for number in told} - {each["url.path"] for each in seen if "url.path" in each}
    assert max(Counter(each["url.path"] for each in whole).values()) == 1
    assert len(missing) <= len(unmatched) <= RELOADS
    assert len(halves) <= 2 * RELOADS
    assert [half for half in halves if not half.get("httpipe.marks")] == []
    assert {mark for each in whole for mark in each.get("httpipe.marks", ())} <= {"mid_stream"}
