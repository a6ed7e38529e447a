"""A reload that gives the source other options, in the middle of traffic: each request is told once, whole or with a mark."""

import http.client
import json
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

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

WAIT_SECS = 30
RELOADS = 4
EACH = 200


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
    output, ready, pipeline, said = (tmp_path / name for name in ("exchanges.jsonl", "ready", "pipeline.toml", "said"))

    def write(exclude: str) -> None:
        pipeline.write_text(PIPELINE.format(executable=nginx.executable, exclude=exclude, output=output))

    def until(holds: bool) -> None:  # noqa: FBT001
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        if not holds:
            time.sleep(0.001)

    write("")
    command = [str(Path(sys.executable).with_name("httpipe")), "run", str(pipeline), "--ready-file", str(ready)]
    told: list[int] = []
    goes_on = threading.Event()
    goes_on.set()
    client = threading.Thread(target=ask, args=(nginx.port, told, goes_on))
    deadline = time.monotonic() + 4 * WAIT_SECS
    with said.open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            while not ready.exists():
                until(ready.exists())
            client.start()
            for turn in range(RELOADS):
                begin = len(told)
                while len(told) < begin + EACH:
                    until(len(told) >= begin + EACH)
                write('"/no/such"' if turn % 2 else '"/no/such", "/nor/this"')
                process.send_signal(signal.SIGHUP)
                while said.read_text().count("reloaded") <= turn:
                    until(said.read_text().count("reloaded") > turn)
        finally:
            goes_on.clear()
            if client.is_alive():
                client.join()
            process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECS) == 0, said.read_text()
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
