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


@pytest.mark.anyio
async def test_handshakes_are_printed_where_they_are_asked_for(namespace: Namespace, tmp_path: Path) -> None:
    """Of a server of OpenSSL and of curl, on any port: the name, the version, and why there is no connection."""
    request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a.example", "-keyout", "k", "-out", "c")
    await anyio.run_process(request, cwd=tmp_path)
    server = namespace.command("openssl", "s_server", "-accept", "4433", "-cert", "c", "-key", "k", "-www", "-no_tls1_3")
    httpipe = str(Path(sys.executable).with_name("httpipe"))
    command = namespace.command(httpipe, "print", "-i", "lo", "--tls-handshakes", "-n", "2", "--for", "60s")
    async with (
        await anyio.open_process(server, cwd=tmp_path, stderr=subprocess.STDOUT) as serving,
        await anyio.open_process(command, stderr=subprocess.STDOUT) as process,
    ):
        with anyio.fail_after(WAIT_SECS):
            said = shown = ""
            while "ACCEPT" not in said:
                said += await more(serving)
            while "capturing on lo" not in shown:
                shown += await more(process)
            for version in ("1.2", "1.3"):
                asked = ("-k", "--tlsv1.3" if version == "1.3" else "--tlsv1.2", "--connect-to", "::127.0.0.1:4433")
                await anyio.run_process(namespace.command("curl", "-sS", *asked, "https://a.example/"), check=False)
            while rest := await more(process):
                shown += rest
            assert await process.wait() == 0, shown
        serving.terminate()
    assert " 1.2 TLS     a.example:4433 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 " in shown
    assert " --- TLS     a.example:4433 offers 1.3 " in shown
    assert "protocol_version" in shown


async def curl(namespace: Namespace, url: str) -> None:
    """One request on a connection of its own."""
    await anyio.run_process(namespace.command("curl", "-sS", url), stdout=subprocess.DEVNULL)


async def more(process: anyio.abc.Process) -> str:
    """What it has printed since; nothing at its end."""
    try:
        return (await process.stdout.receive()).decode() if process.stdout is not None else ""
    except anyio.EndOfStream:
        return ""
