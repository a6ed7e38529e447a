"""ClickHouse for the tests, twice: Debian 12's server of 2018, and the engine of 2026 (``clickhouse_engine``).

Both are started and killed as often as a test likes, with the same port and the same data each time.
"""

import base64
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.maven_jars import NotAvailable
from tests.pypi_servers import folder as pypi_folder
from tests.server_process import ServerProcess, free_port

START_SECS = 60.0


class Server(ServerProcess):
    """What both have."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def ask(self, statement: str, user: str = "") -> str:
        """What it says to a statement."""
        request = urllib.request.Request(f"{self.base}/", statement.encode(), method="POST")  # noqa: S310
        if user:
            request.add_header("authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  on 127.0.0.1
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{statement}: {error.read().decode()}") from error

    def numbers(self, table: str) -> list[int]:
        """``httpipe.sequence`` of every row, in order."""
        return [int(line) for line in self.ask(f"SELECT `httpipe.sequence` FROM {table} ORDER BY `httpipe.sequence`").split()]  # noqa: S608


class Engine(Server):
    """The engine of 2026."""

    def start(self) -> None:
        """Start it."""
        extension = next((pypi_folder() / "chdb").glob("_chdb*.so"))
        script = Path(__file__).with_name("clickhouse_engine.py")
        command = [sys.executable, "-X", "utf8", str(script), str(extension), str(self.folder / "data"), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def dies_at(self, *inserts: int) -> None:
        """When it has stored these, counted from 0."""
        (self.folder / "data.dies").write_text(" ".join(map(str, inserts)))

    def lets_in(self, user: str) -> None:
        """Only who has these credentials, ``user:password``; anybody for an empty text."""
        (self.folder / "data.auth").write_text(f"Basic {base64.b64encode(user.encode()).decode()}" if user else "")

    def inserts(self) -> list[dict[str, Any]]:
        """Rows and settings of each insert."""
        file = self.folder / "data.inserts"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Server2018(Server):
    """Debian 12's server, 18.16: the oldest that anybody has, and a real one."""

    def start(self) -> None:
        """Start it."""
        program = shutil.which("clickhouse-server") or shutil.which("clickhouse-server", path="/usr/sbin")
        if program is None:
            raise NotAvailable("clickhouse-server is not installed (Debian 12: clickhouse-server)")
        for name in ("data", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "config.xml").write_text(CONFIG.format(folder=self.folder, port=self.port, other=free_port()))
        (self.folder / "users.xml").write_text(USERS)
        command = [program, f"--config-file={self.folder}/config.xml"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        until = time.monotonic() + START_SECS
        while True:
            try:
                urllib.request.urlopen(f"{self.base}/ping", timeout=5).close()  # noqa: S310
            except OSError:
                assert self.process.poll() is None, f"{program} ended"
                assert time.monotonic() < until
                time.sleep(0.05)
            else:
                return


CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>none</level></logger>
  <http_port>{port}</http_port><tcp_port>{other}</tcp_port><listen_host>127.0.0.1</listen_host>
  <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><users_config>users.xml</users_config>
  <mark_cache_size>5368709120</mark_cache_size><default_profile>default</default_profile><default_database>default</default_database>
</yandex>
"""
USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <writer><password>right</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></writer>
  </users>
  <quotas><default></default></quotas>
</yandex>
"""
