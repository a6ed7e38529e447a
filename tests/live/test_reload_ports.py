"""A reload that gives the capture other ports, in the middle of traffic: every exchange is seen once."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from live_namespace import Namespace
from live_nginx import Serve

PIPELINE = """
[sources.http]
type = "bpf"
ports = [{ports}]

[sinks.file]
type = "file"
inputs = ["http"]
path = "{output}"
"""

WAIT_SECS = 20
RELOADS = 6
EACH = 200


def ask(namespace: Namespace, told: list[int], goes_on: threading.Event) -> None:
    """Numbered requests without a pause: every other one on a connection that is kept, the others on one of their own."""
    with namespace.entered():
        kept = http.client.HTTPConnection("127.0.0.1", 80, timeout=WAIT_SECS)
        while goes_on.is_set():
            own = http.client.HTTPConnection("127.0.0.1", 80, timeout=WAIT_SECS)
            for connection in (kept, own):
                connection.request("GET", f"/small?{len(told)}")
                connection.getresponse().read()
                told.append(len(told))
            own.close()
        kept.close()


def test_no_exchange_is_missing_or_there_twice(namespace: Namespace, serve: Serve, tmp_path: Path) -> None:
    """Not those whose records the old ring still holds, nor those that both captures have seen."""
    serve(namespace, ["127.0.0.1:80"])
    output, ready, pipeline, said = (tmp_path / name for name in ("exchanges.jsonl", "ready", "pipeline.toml", "said"))

    def write(ports: str) -> None:
        pipeline.write_text(PIPELINE.format(ports=ports, output=output))

    def until(holds: bool) -> None:  # noqa: FBT001
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline
        if not holds:
            time.sleep(0.001)

    write("80")
    command = [str(Path(sys.executable).with_name("httpipe")), "run", str(pipeline), "--ready-file", str(ready)]
    told: list[int] = []
    goes_on = threading.Event()
    goes_on.set()
    client = threading.Thread(target=ask, args=(namespace, told, goes_on))
    deadline = time.monotonic() + WAIT_SECS
    with said.open("w") as log, subprocess.Popen(namespace.command(*command), stderr=log) as process:
        try:
            while not ready.exists():
                until(ready.exists())
            client.start()
            for turn in range(RELOADS):
                begin = len(told)
                while len(told) < begin + EACH:
                    until(len(told) >= begin + EACH)
                write("80, 81" if turn % 2 else "80, 82")
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
    assert sorted(int(each["url.query"]) for each in seen) == told
    assert [each for each in seen if each.get("http.response.status_code") != 200] == []
    assert "unread_at_stop" not in said.read_text()
