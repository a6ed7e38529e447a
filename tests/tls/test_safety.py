"""What a capture does to the programs that it looks at: nothing that is left when it ends, however it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread
import pytest
from test_attach import target_of
from tls_hits import Hits
from tls_programs import HERE
from tls_recording import recording
from tls_servers import Server
from tls_talker import Talker, own_libssl

from pipeline.sources.tls import files
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.probe import Call, Target
from pipeline.sources.tls.survey import survey
from pipeline.sources.tls.targets.code import Unsupported
from tests.waiting import WAIT_SECS, until

STOP_SECS = 5.0
"""A second where nothing else runs; this is for machines that are busy."""

PIPELINE = """
[sources.https]
type = "tls"
executables = ["{executable}"]

[sinks.nothing]
type = "null"
inputs = ["https"]
"""


@pytest.fixture
def running(nginx: Server, tmp_path: Path) -> Generator[subprocess.Popen[bytes], None, None]:
    """`httpipe run` on nginx, ready."""
    file, ready = tmp_path / "pipeline.toml", tmp_path / "ready"
    file.write_text(PIPELINE.format(executable=nginx.executable))
    httpipe = Path(sys.executable).with_name("httpipe")
    command = [str(httpipe), "run", "--quiet", "--ready-file", str(ready), str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until(ready.exists)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def load(server: Server) -> Generator[list[int], None, None]:
    """Requests, one after the other, from two threads; the list grows with the exit code of each curl."""
    codes: list[int] = []
    stop = threading.Event()

    def work() -> None:
        urls = [f"https://127.0.0.1:{server.port}/{number}" for number in range(50)]
        while not stop.is_set():
            codes.append(subprocess.run(["curl", "-sSfk", *urls], capture_output=True, check=False).returncode)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield codes
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def attached(server: Server) -> bool:
    """Whether a breakpoint stands in one of the server's processes."""
    return any(process.attached for process in survey().processes if process.pid in server.pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_httpipe_under_load(nginx: Server, running: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """No process of the server ends, no request fails, no breakpoint is left."""
    before = nginx.pids
    with load(nginx) as codes:
        until(lambda: len(codes) > 3)
        assert attached(nginx)
        begun = time.monotonic()
        running.send_signal(number)
        running.wait(WAIT_SECS)
        took = time.monotonic() - begun
        until(lambda: not attached(nginx))
        done = len(codes)
        until(lambda: len(codes) > done + 3)
    assert nginx.pids == before
    assert set(codes) == {0}
    assert took < STOP_SECS


@pytest.mark.parametrize("returns", ["probes", "instructions"])
def test_programs_under_seccomp_live(certificate: Path, library: Path, tmp_path: Path, hits: Hits, returns: str) -> None:
    """One that may do nothing but write, allocate and end speaks TLS through a probed library, and ends well."""
    program = tmp_path / "confined"
    source = Path(__file__).parent / "programs" / "confined.c"
    subprocess.run(["clang", "-O1", str(source), "-o", str(program), "-lssl", "-lcrypto"], check=True, capture_output=True)
    target = target_of(library, uretprobes=returns == "probes")
    hits.attacher.attach(str(library), target, 1)
    environment = {"LD_LIBRARY_PATH": str(library.parent)}
    command = [str(program), str(certificate)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_SECS, check=False)
    assert (done.returncode, done.stdout) == (0, "1000 messages\n")
    [read] = [call for call in (Call.READ, Call.READ_EX) if hits.of(call) > 1000]
    assert hits.of(read) >= 2000


@pytest.mark.parametrize("options", [(), ("--pid", "--fork", "--mount-proc")], ids=["on the host", "in a pid namespace"])
def test_it_never_looks_at_itself(nginx: Server, options: tuple[str, ...]) -> None:
    """Nor at its children, whatever the kernel calls them: of its own requests only the server's end is seen."""
    command = ["unshare", *options, sys.executable, str(HERE / "inside.py"), str(nginx.port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_SECS, check=False)
    assert done.returncode == 0, done.stderr
    seen = [tuple(each) for each in json.loads(done.stdout) if each[0] in {"/itself", "/child"}]
    assert seen == [("/child", "nginx"), ("/itself", "nginx")]


@pytest.mark.anyio
async def test_a_file_that_cannot_be_understood(
    library: Path, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it does to who reads it, the next file is found."""
    understood = files.look

    def failing(fd: int, *, uretprobes: bool = True) -> list[Target | Unsupported]:
        if os.fstat(fd).st_ino == library.stat().st_ino:
            raise ValueError("not as anybody thought")
        return understood(fd, uretprobes=uretprobes)

    monkeypatch.setattr(files, "look", failing)
    other = own_libssl(tmp_path / "other")
    async with recording(TlsConfig(executables=("python3*",))):
        talkers = [await anyio.to_thread.run_sync(Talker, certificate, each) for each in (library, other)]
        pid = talkers[1].pid
        await anyio.to_thread.run_sync(until, lambda: any(each.attached for each in survey().processes if each.pid == pid))
        for talker in talkers:
            talker.talk()
            assert talker.close() == 0
