"""`httpipe print`, live: the first command that somebody types."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.abc
import pytest
from live_namespace import Namespace
from live_nginx import Serve

HTTPIPE = Path(sys.executable).with_name("httpipe")
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
@pytest.mark.parametrize(
    ("reader", "shown"),
    [("head -n 2", 2), ("grep --line-buffered -m 1 /small", 1), ("awk '/small/ { print; fflush() } NR == 3 { exit }'", 3)],
)
async def test_a_bare_command_prints_until_its_reader_has_seen_enough(
    namespace: Namespace, serve: Serve, reader: str, shown: int
) -> None:
    """All that passes, at once; the next exchange then ends it, well and without a word about pipes."""
    serve(namespace, ["127.0.0.1:8080"])
    line = f"{HTTPIPE} print | {reader}; echo exit ${{PIPESTATUS[0]}}"
    async with await anyio.open_process(namespace.command("bash", "-c", line)) as process:
        with anyio.fail_after(WAIT_SECS):
            said = await said_by(process, "capturing on")
            seen = ""
            while "exit" not in seen:
                await curl(namespace, "http://127.0.0.1:8080/small")
                with anyio.move_on_after(0.2):
                    seen += await more(process)
            said += await said_by(process, None)
    *lines, code = seen.splitlines()
    assert code == "exit 0"
    assert len(lines) == shown
    assert all(" 200 GET " in each and "/small" in each for each in lines)
    assert "pipe" not in said.lower().replace("httpipe", "")


@pytest.mark.anyio
async def test_a_filter_of_lines_passes_them_on_while_the_command_runs(namespace: Namespace, serve: Serve) -> None:
    """`| jq`, `| grep --line-buffered`: an exchange is there before the next one is made."""
    serve(namespace, ["127.0.0.1:8080"])
    line = f"{HTTPIPE} print -f json | jq --unbuffered -r '.\"url.query\"' | grep --line-buffered x"
    async with await anyio.open_process(namespace.command("bash", "-c", line)) as process:
        with anyio.fail_after(WAIT_SECS):
            await said_by(process, "capturing on")
            for number in range(3):
                await curl(namespace, f"http://127.0.0.1:8080/small?x{number}")
                assert await more(process) == f"x{number}\n"
            interrupt_children(process.pid)
            await process.wait()


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


@pytest.mark.anyio
async def test_packets_of_failed_requests_are_written(namespace: Namespace, serve: Serve, tmp_path: Path) -> None:
    """Only their connections, with handshakes; httpipe reads the same exchanges back, and tshark the same requests."""
    serve(namespace, ["127.0.0.1:8080"])
    file = tmp_path / "missing.pcapng"
    asked = ("-i", "lo", "-p", "8080", "-f", "pcapng", "--where", "status == 404", "-n", "3", "--for", "60s", "-o", str(file))
    async with await anyio.open_process(namespace.command(str(HTTPIPE), "print", *asked)) as process:
        with anyio.fail_after(WAIT_SECS):
            said = await said_by(process, "capturing on")
            for path in ("small", "missing/1", "small", "missing/2", "missing/3"):
                await curl(namespace, f"http://127.0.0.1:8080/{path}")
            said += await said_by(process, None)
            assert await process.wait() == 0, said
    back = await anyio.run_process([str(HTTPIPE), "print", "-q", "-r", str(file), "-f", "json"])
    read = [json.loads(line) for line in back.stdout.splitlines()]
    assert [(each["url.path"], each["http.response.status_code"], each.get("httpipe.marks")) for each in read] == [
        (f"/missing/{number}", 404, None) for number in (1, 2, 3)
    ]
    assert "connections 3" in said
    shown = await anyio.run_process(["tshark", "-r", str(file), "-T", "fields", "-e", "tcp.flags.syn", "-e", "http.request.uri"])
    lines = shown.stdout.decode().splitlines()
    assert [line.split("\t")[1] for line in lines if line.split("\t")[1]] == [f"/missing/{number}" for number in (1, 2, 3)]
    assert sum(line.startswith("1") for line in lines) == 6


async def curl(namespace: Namespace, url: str) -> None:
    """One request on a connection of its own."""
    await anyio.run_process(namespace.command("curl", "-sS", url), stdout=subprocess.DEVNULL)


def interrupt_children(pid: int) -> None:
    """Ctrl-C reaches all of a pipe; who reads from one that has ended may be gone by itself."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGINT)


async def said_by(process: anyio.abc.Process, text: str | None) -> str:
    """What is on its standard error, until that has this text, or ends."""
    assert process.stderr is not None
    said = ""
    with suppress(anyio.EndOfStream):
        while text is None or text not in said:
            said += (await process.stderr.receive()).decode()
    return said


async def more(process: anyio.abc.Process) -> str:
    """What it has printed since; nothing at its end."""
    try:
        return (await process.stdout.receive()).decode() if process.stdout is not None else ""
    except anyio.EndOfStream:
        return ""
