"""A reload that gives the capture other ports, in the middle of traffic: every exchange is seen once."""

import http.client
import json
import threading
from functools import partial
from pathlib import Path

from live_namespace import Namespace
from live_nginx import Serve
from reloads import WAIT_SECS, reload_while_asking

PIPELINE = """
[sources.http]
type = "bpf"
ports = [{ports}]

[sinks.file]
type = "file"
inputs = ["http"]
path = "{output}"
"""

RELOADS = 6


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
    output = tmp_path / "exchanges.jsonl"
    ports = ["80", *("80, 81" if turn % 2 else "80, 82" for turn in range(RELOADS))]
    texts = [PIPELINE.format(ports=each, output=output) for each in ports]
    told, said = reload_while_asking(tmp_path, texts, partial(ask, namespace), within=namespace.command)
    seen = [json.loads(line) for line in output.read_text().splitlines()]
    assert sorted(int(each["url.query"]) for each in seen) == told
    assert [each for each in seen if each.get("http.response.status_code") != 200] == []
    assert "unread_at_stop" not in said
