"""A Debian release in a folder, made by debootstrap, in which commands run and which systemd boots as a container.

It uses the kernel of this host, so BPF programs are loaded for real. Needs root, debootstrap and systemd-container.
"""

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = "systemd-sysv,dbus,python3,ca-certificates,make,git,curl,iproute2,nginx-light"
CLIENTS = (
    "/etc/resolv.conf",
    "/etc/pip.conf",
    "/etc/apt/apt.conf.d",
    "/usr/local/share/ca-certificates",
    "/root/.cargo/config.toml",
)
"""How package clients reach their registries from here, where something is set."""
ENVIRONMENT = ("PIP_", "SSL_", "REQUESTS_", "CARGO_HTTP_", "http", "HTTP", "no_proxy", "NO_PROXY")

NSPAWN = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]
BOOT = ["--boot", "--private-network", "--capability=all", "--system-call-filter=bpf perf_event_open"]
UNIT = """
[Unit]
After=multi-user.target

[Service]
Type=oneshot
ExecStart=-/usr/bin/python3 /root/guest.py
ExecStopPost=/bin/systemctl poweroff --no-block

[Install]
WantedBy=multi-user.target
"""


class DebianSystem:
    """One installed system; ``release`` is a code name such as ``bookworm``."""

    def __init__(self, release: str, folder: Path) -> None:
        self.folder = folder
        if not folder.exists():
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, folder]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            finally:  # broken off, it leaves them
                subprocess.run(["umount", "-lq", folder / "proc", folder / "sys"], check=False, capture_output=True)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            for path in map(Path, CLIENTS):
                if path.exists():
                    there = folder / path.relative_to("/")
                    there.parent.mkdir(parents=True, exist_ok=True)
                    there.unlink(missing_ok=True) if path.is_file() else None
                    (shutil.copy if path.is_file() else _copy_tree)(path, there)
            self.run("update-ca-certificates", timeout=60)

    def copy(self, folder: Path) -> "DebianSystem":
        """Another system in the same state."""
        subprocess.run(["cp", "-a", self.folder, folder], check=True, timeout=120)
        return DebianSystem("", folder)

    def run(self, *command: str, timeout: float = 600) -> str:
        """Standard output of a command that must succeed, with this host's network."""
        env = [f"--setenv={name}={value}" for name, value in os.environ.items() if name.startswith(ENVIRONMENT)]
        done = subprocess.run(
            [*NSPAWN, *env, "-D", self.folder, *command], capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def boot(self, guest: Path, timeout: float = 300) -> str:
        """Boot, have Python run a file there, power off. What the file wrote to /root/result."""
        shutil.copy(guest, self.folder / "root" / "guest.py")
        (self.folder / "etc/systemd/system/guest.service").write_text(UNIT)
        self.run("systemctl", "enable", "guest.service")
        (self.folder / "etc/machine-id").write_text("")
        # the container's systemd knows both layouts of control groups; this host's may be the old one
        env = {
            **os.environ,
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "0",
        }
        booted = subprocess.run(
            [*NSPAWN, *BOOT, "-D", self.folder],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=env,
        )
        result = self.folder / "root" / "result"
        assert result.exists(), booted.stdout[-4000:] + booted.stderr[-2000:]
        return result.read_text()


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
