"""`httpipe print`, live: the first command that somebody types."""

import subprocess
import sys
from pathlib import Path

import anyio
import anyio.abc
import pytest
from live_namespace import Namespace
from live_nginx import Serve

WAIT_SECS = 30


@pytest.mark.anyio
async def test_traffic_of_a_port_is_printed_until_the_count_is_reached(namespace: Namespace, serve: Serve) -> None:
    """Of two servers only the one whose port was named; the command ends by itself, well."""
    serve(namespace, ["127.0.0.1:80", "127.0.0.1:8080"])
    httpipe = str(Path(sys.executable).with_name("httpipe"))
    command = namespace.command(httpipe, "print", "-i", "lo", "-p", "8080", "-n", "2", "--for", "60s")
    async with await anyio.open_process(command, stderr=subprocess.STDOUT) as process:
        with anyio.fail_after(WAIT_SECS):
            shown = ""
            while "capturing on lo, ports 8080" not in shown:
                shown += await more(process)
            for port in (80, 8080, 8080):
                await curl(namespace, f"http://127.0.0.1:{port}/small?{port}")
            while rest := await more(process):
                shown += rest
            assert await process.wait() == 0, shown
    assert shown.count("/small?8080") == 2
    assert "/small?80 " not in shown


async def curl(namespace: Namespace, url: str) -> None:
    """One request on a connection of its own."""
    await anyio.run_process(namespace.command("curl", "-sS", url), stdout=subprocess.DEVNULL)


async def more(process: anyio.abc.Process) -> str:
    """What it has printed since; nothing at its end."""
    try:
        return (await process.stdout.receive()).decode() if process.stdout is not None else ""
    except anyio.EndOfStream:
        return ""
