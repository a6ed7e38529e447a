"""rsyslog for tests: what it received, parsed by itself, as lines of JSON; can be killed and started again."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket
from typing import Any, Self

from tests.server_process import free_port

PROPERTIES = ("pri", "timestamp", "hostname", "app-name", "procid", "msgid", "structured-data", "msg", "protocol-version")


class SyslogServer:
    """``start`` and ``kill`` it as often as you like: it has the same ports and the same file each time.

    It listens on UDP and TCP (both kinds of framing), with a certificate (PEM, with its key) on TLS, and at a datagram socket.
    """

    def __init__(self, folder: Path, *, certificate: Path | None = None, authority: Path | None = None) -> None:
        self.folder, self.file, self.socket = folder, folder / "received.jsonl", folder / "log"
        self.tcp, self.tls = free_port(), free_port()
        self.udp = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "state").mkdir(exist_ok=True)
        (folder / "rsyslog.conf").write_text(self._config(certificate, authority))

    def _config(self, certificate: Path | None, authority: Path | None) -> str:
        quote = '\\"'
        fields = "".join(
            f'constant(value="{"," if place else "{"}{quote}{name}{quote}:{quote}")\n'
            f'property(name="{name}" format="json")\nconstant(value="{quote}")\n'
            for place, name in enumerate(PROPERTIES)
        )
        encrypted = (
            f'global(DefaultNetstreamDriverCAFile="{authority}" DefaultNetstreamDriverCertFile="{certificate}"\n'
            f' DefaultNetstreamDriverKeyFile="{certificate}")\n'
            f'input(type="imtcp" address="127.0.0.1" port="{self.tls}" ruleset="keep"\n'
            ' streamdriver.name="gtls" streamdriver.mode="1" streamdriver.authmode="anon")\n'
            if certificate
            else ""
        )
        return (
            f'global(workDirectory="{self.folder}/state" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")\n'
            f'module(load="imtcp") module(load="imudp") module(load="imuxsock" SysSock.Use="off")\n'
            f'template(name="json" type="list") {{\n{fields}constant(value="}}\\n")\n}}\n'
            f'ruleset(name="keep") {{ action(type="omfile" file="{self.file}" template="json") }}\n'
            f"{encrypted}"
            f'input(type="imtcp" address="127.0.0.1" port="{self.tcp}" ruleset="keep")\n'
            f'input(type="imudp" address="127.0.0.1" port="{self.udp}" ruleset="keep" rcvbufSize="4m")\n'
            f'input(type="imuxsock" socket="{self.socket}" ruleset="keep" useSpecialParser="off" parseHostname="on" '
            'ratelimit.interval="0" useSysTimeStamp="off")\n'
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it listens."""
        program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
        assert program is not None
        log = (self.folder / "rsyslog.log").open("ab")
        command = [program, "-n", "-f", str(self.folder / "rsyslog.conf"), "-i", str(self.folder / "rsyslog.pid")]
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.until(self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "rsyslog.log").read_text()
        with socket() as tcp, socket(AF_UNIX, SOCK_DGRAM) as unix:
            try:
                unix.connect(str(self.socket))
            except OSError:
                return False
            return tcp.connect_ex(("127.0.0.1", self.tcp)) == 0

    def kill(self, number: int = signal.SIGKILL) -> None:
        """As a crash would, or orderly with SIGTERM."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)
            self.process = None
            (self.folder / "rsyslog.pid").unlink(missing_ok=True)

    def count(self) -> int:
        """How many it has written so far."""
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def messages(self) -> list[dict[str, Any]]:
        """Those that it has written so far."""
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Until it has written so many."""
        self.until(lambda: self.count() >= count)
        return self.messages()

    @staticmethod
    def until(holds: Callable[[], bool], secs: float = 30.0) -> None:
        """Wait for a condition."""
        end = time.monotonic() + secs
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)
