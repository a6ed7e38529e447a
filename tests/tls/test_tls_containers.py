"""Programs in what a container is made of: an overlay as their root, and namespaces of mounts, pids and networks of their own."""

import secrets
import subprocess
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest
from mapped_libssl import libssl
from tls_recording import recording
from tls_servers import Server

from pipeline.api import Exchange
from pipeline.sources.tls.config import TlsConfig

REQUESTS = 23
RESERVED_PIDS = 300
"""Lower numbers a kernel gives to the first processes of a namespace only, also when its numbers begin anew (kernel/pid.c)."""
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"))

ENTER = {
    "a container": "mkdir -p {root}/before; cd {root}; pivot_root . before; exec unshare --pid --fork --net",
    "a chroot": "exec unshare --pid --fork --net chroot {root}",
}
INSIDE = """
set -e
echo $$ > {group}/cgroup.procs
mount --rbind /dev {root}/dev
{enter} sh -c '
  ip link set lo up
  nginx -c {server.folder}/nginx.conf &
  (until curl -sk -o /dev/null https://127.0.0.1:{server.port}/first; do sleep 0.1; done
  while curl -sk -o /dev/null https://127.0.0.1:{server.port}/first; do sleep 0.1; done) </dev/null &
  read seen # a library that nobody had before is probed a moment after its first use
  kill $!; wait $! || true
  curl -sSfk $(for i in $(seq {requests}); do echo https://127.0.0.1:{server.port}/inside/$i; done)
  kill $(cat {server.folder}/nginx.pid); wait'
"""


@pytest.fixture
def group() -> Generator[Path, None, None]:
    """A cgroup as Docker names it."""
    root = next((path for path in CGROUPS if (path / "cgroup.procs").exists()), None)
    if root is None:
        pytest.skip("no cgroups here")
    made = root / f"docker-{secrets.token_hex(32)}.scope"
    made.mkdir()
    yield made
    made.rmdir()


@pytest.fixture
def root(tmp_path: Path) -> Generator[Path, None, None]:
    """This system's files, but for a libssl that nobody else has."""
    upper, work, merged = (tmp_path / name for name in ("upper", "work", "merged"))
    own = upper / str(libssl())[1:]
    for folder in (upper, work, merged, own.parent):
        folder.mkdir(parents=True, exist_ok=True)
    own.write_bytes(libssl().read_bytes())
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    try:
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no overlay of the root here: {error.stderr.decode()}")
    yield merged
    subprocess.run(["umount", "-l", str(merged)], check=True)


@pytest.mark.anyio
@pytest.mark.parametrize("where", ENTER)
async def test_inside(where: str, certificate: Path, nginx: Server, root: Path, group: Path) -> None:
    """Its library is found and probed; pids are the host's, paths its own, addresses those of its own loopback."""
    inside = Server(certificate)
    config = (nginx.folder / "nginx.conf").read_text().replace(str(nginx.folder), str(inside.folder))
    (inside.folder / "nginx.conf").write_text(config.replace(f":{nginx.port} ", f":{inside.port} "))
    enter = ENTER[where].format(root=root)
    script = INSIDE.format(group=group, root=root, server=inside, requests=REQUESTS, enter=enter)
    prefix = str(root) if where == "a chroot" else ""
    async with recording(TlsConfig(executables=("nginx", "curl"))) as taken:
        async with await anyio.open_process(["unshare", "--mount", "sh", "-c", script], stderr=None) as process:
            assert process.stdin
            ends = {("/usr/bin/curl", "/first"), ("/usr/sbin/nginx", "/first")}
            await taken.until(lambda taken: ends <= {(_program(each, prefix), each.url_path) for each in taken.exchanges})
            await process.stdin.send(b"seen\n")
            assert await process.wait() == 0
        await taken.until(lambda taken: sum("/inside/" in (each.url_path or "") for each in taken.exchanges) >= 2 * REQUESTS)
    found = [each for each in taken.exchanges if (each.url_path or "").startswith("/inside/")]
    told = sorted((each.process_executable_path or "", int((each.url_path or "").rpartition("/")[2])) for each in found)
    assert told == [(f"{prefix}/usr/{path}", i + 1) for path in ("bin/curl", "sbin/nginx") for i in range(REQUESTS)]
    assert {each.container_id for each in found} == {group.name.removeprefix("docker-").removesuffix(".scope")}
    assert {(each.server_address, each.server_port, each.url_scheme) for each in found} == {("127.0.0.1", inside.port, "https")}
    assert len({each.client_port for each in found}) == 1
    assert all((each.process_pid or 0) >= RESERVED_PIDS for each in found)


def _program(exchange: Exchange, prefix: str) -> str:
    """Whose end it is, as the container knows it."""
    return (exchange.process_executable_path or "").removeprefix(prefix)
