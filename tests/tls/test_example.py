"""examples/https.toml, run as its first lines say, on a server of our own."""

import json
import subprocess
import sys
from pathlib import Path

from tls_servers import Server

from tests.waiting import WAIT_SECS, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "https.toml"


def test_errors_over_https_are_reported(nginx: Server, tmp_path: Path) -> None:
    """One event for each, of the server's end, as of plain HTTP but for its scheme; what is no error is left out."""
    text, console = EXAMPLE.read_text(), '[sinks.console]\ntype = "stdout"\n'
    assert console in text
    (tmp_path / "https.toml").write_text(text.replace(console, f'{console}format = "json"\n'))
    ready = tmp_path / "ready"
    httpipe = Path(sys.executable).with_name("httpipe")
    command = [str(httpipe), "run", "--quiet", "--ready-file", str(ready), str(tmp_path / "https.toml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        until(ready.exists)
        paths = [f"https://127.0.0.1:{nginx.port}/{name}" for name in ("fine", "broken/1", "fine", "broken/2")]
        subprocess.run(["curl", "-sSk", *paths], check=True, capture_output=True)
        events = []
        while len(events) < 2:
            event = json.loads(process.stdout.readline())
            if event["url.path"].startswith("/broken/") and event["server.port"] == nginx.port:
                events.append(event)
    finally:
        process.terminate()
        process.wait(WAIT_SECS)
        process.stdout.close()  # type: ignore[union-attr]
    assert [event["url.path"] for event in events] == ["/broken/1", "/broken/2"]
    assert {event["url.scheme"] for event in events} == {"https"}
    assert {event["httpipe.source"] for event in events} == {"https"}
    assert {event["process.executable.name"] for event in events} == {"nginx"}
