"""Runs as root in a booted Debian in which the package is installed and was never started; writes to /root/result how it went."""

import json
import os
import signal
import subprocess
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path

RESULT = Path("/root/result")
LOG = Path("/var/log/httpipe/exchanges.jsonl")
CONFIG = Path("/etc/httpipe/pipeline.toml")
WAIT_SECS = 30.0


def sh(command: str) -> str:
    """Standard output of a shell command that must succeed."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + WAIT_SECS
    while not holds():
        assert time.monotonic() < end, f"{what}\n{sh('journalctl -u httpipe --no-pager | tail -30')}"
        time.sleep(0.1)


def state() -> str:
    """As systemd names it."""
    return sh("systemctl is-active httpipe || true")


def pid() -> int:
    """Of the service."""
    return int(sh("systemctl show -p MainPID --value httpipe"))


def ask(path: str) -> None:
    """One request to nginx, and the exchange of it in the file, with the program at its end."""
    sh(f"curl -s -o /dev/null http://127.0.0.1/{path}")
    until(lambda: LOG.exists() and any(line["url.path"] == f"/{path}" for line in exchanges()), f"no exchange of {path}")


def exchanges() -> list[dict[str, object]]:
    """What the file holds."""
    return [json.loads(line) for line in LOG.read_text().splitlines()]


def installed_but_not_started() -> None:
    """Nothing runs that nobody asked for; the configuration is the group's, for it may name passwords."""
    assert state() == "inactive"
    assert sh("systemctl is-enabled httpipe || true") == "disabled"
    assert sh(f"stat -c '%U:%G %a' {CONFIG}") == "root:httpipe 640"
    assert "0.1.0" in sh("httpipe --version")
    assert sh(
        "test -s /usr/share/bash-completion/completions/httpipe; test -s /usr/share/man/man1/httpipe-print.1.gz && echo there"
    )
    sh(f"httpipe validate {CONFIG}")
    assert "ok   compiled lane" in sh("httpipe doctor")


def started() -> None:
    """It captures as its own user, and says that it does."""
    sh("ip link set lo up; systemctl start nginx; systemctl enable --now httpipe")
    ask("first")
    assert exchanges()[0]["host.name"] == sh("uname -n")
    assert sh(f"stat -c %U /proc/{pid()}") == "httpipe"
    assert sh(f"stat -c '%U %a' {LOG}") == "httpipe 640"
    assert urllib.request.urlopen("http://127.0.0.1:9598/ready", timeout=5).status == 200
    sh("systemctl reload httpipe")


def killed() -> None:
    """Systemd starts it again, and what was written stays."""
    before = pid()
    os.kill(before, signal.SIGKILL)
    until(lambda: state() == "active" and pid() not in (0, before), "not started again")
    ask("after-kill")
    assert any(line["url.path"] == "/first" for line in exchanges())


def upgraded() -> None:
    """The next version runs where the old one ran, with the file that the administrator changed."""
    with CONFIG.open("a") as file:
        file.write("# ours\n")
    sh("cd /root && dpkg-deb -R httpipe.deb next && sed -i 's/^Version: .*/Version: 9.9-1/' next/DEBIAN/control")
    sh("cd /root && dpkg-deb -Znone -b next next.deb")
    before = pid()
    sh("DEBIAN_FRONTEND=noninteractive apt-get install -y /root/next.deb")
    assert state() == "active"
    assert pid() != before
    assert CONFIG.read_text().endswith("# ours\n")
    ask("after-upgrade")
    # and back
    sh("DEBIAN_FRONTEND=noninteractive apt-get install -y --allow-downgrades /root/httpipe.deb")
    assert state() == "active"
    ask("after-downgrade")


def removed() -> None:
    """Removal ends it and keeps the configuration and what was captured; a purge keeps neither."""
    sh("apt-get remove -y httpipe")
    assert state() == "inactive"
    assert CONFIG.exists()
    assert LOG.exists()
    assert not Path("/opt/httpipe").exists()
    assert not Path("/usr/bin/httpipe").is_symlink()
    sh("apt-get purge -y httpipe")
    for left in ("/etc/httpipe", "/var/log/httpipe", "/var/lib/httpipe", "/opt/httpipe", "/run/httpipe"):
        assert not Path(left).exists(), left


def main() -> None:
    """One step after another, each named before it runs."""
    steps = (installed_but_not_started, started, killed, upgraded, removed)
    with RESULT.open("w", buffering=1) as result:
        try:
            for step in steps:
                result.write(f"{step.__name__}\n")
                step()
            result.write("all\n")
        except BaseException:  # noqa: BLE001  it is all that the host learns
            traceback.print_exc(file=result)


main()
