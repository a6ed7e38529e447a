"""Servers that events are sent to, real ones, on ports of 127.0.0.1: started, stopped and killed as often as a test likes."""

import json
import signal
import subprocess
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx

from pipeline.prctl import die_with_parent
from tests.go_programs import NoGoError, installed
from tests.maven_jars import NotAvailable, jars
from tests.server_process import ServerProcess

HERE = Path(__file__).parent
START_SECS = 90
QUICK = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
HTTP_MODULE = "transport-netty4"
VICTORIA_LOGS = "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@v1.52.1"


class Server(ServerProcess):
    """One process with its data in a folder. It has the same port each time."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it, in the foreground. Raises ``NotAvailable``."""

    @property
    @abstractmethod
    def ready_path(self) -> str:
        """What it answers with 200 as soon as it takes events."""

    def start(self) -> None:
        """Returns when it takes events."""
        log = self.folder / "log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(self.command(), stdout=out, stderr=out, preexec_fn=die_with_parent)  # noqa: PLW1509
        until = time.monotonic() + START_SECS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{type(self).__name__} does not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.base}{self.ready_path}", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def send(self, number: signal.Signals) -> None:
        """To its process, such as SIGSTOP and SIGCONT."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """As its administrator would."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def ask(self, method: str, path: str, body: object = None, **parameters: str) -> Any:
        """What it answers, from JSON; it must be a success."""
        answer = httpx.request(method, f"{self.base}{path}", json=body, params=parameters, timeout=30, trust_env=False)
        assert answer.is_success, answer.text
        return json.loads(answer.text or "null")


class OpenSearch(Server):
    """A node of OpenSearch, by the parts of it that Maven Central has: storage, bulk API, data streams, index templates."""

    ready_path = "/"

    def command(self) -> Sequence[str]:
        """Java compiles the 30 lines that start a node."""
        found = jars(HERE / "opensearch" / "pom.xml", "opensearch")
        return ["java", *QUICK, "-cp", f"{found}/*", str(HERE / "opensearch" / "Server.java"), str(self.folder), str(self.port)]


class Elasticsearch(Server):
    """A node of Elasticsearch, by the parts of it that Maven Central has, which are those that the sink uses."""

    ready_path = "/_cluster/health"

    def command(self) -> Sequence[str]:
        """What speaks HTTP is a module: in a folder with its descriptor, and not on the class path of the others."""
        found = jars(HERE / "elasticsearch" / "pom.xml", "elasticsearch")
        module = self.folder / "modules" / HTTP_MODULE
        theirs = {*found.glob("netty-*.jar"), *found.glob(f"{HTTP_MODULE}-*.jar")}
        if not module.exists():
            module.mkdir(parents=True)
            for jar in theirs:
                (module / jar.name).symlink_to(jar)
            with ZipFile(next(found.glob(f"{HTTP_MODULE}-*.jar"))) as jar:
                lines = jar.read(f"META-INF/es-plugins/{HTTP_MODULE}/plugin-descriptor.properties").decode().splitlines()
            # of a Java module it would want the others as Java modules, too
            (module / "plugin-descriptor.properties").write_text("\n".join(x for x in lines if not x.startswith("modulename=")))
        others = ":".join(str(jar) for jar in found.glob("*.jar") if jar not in theirs)
        return ["java", *QUICK, "-cp", others, str(HERE / "elasticsearch" / "Server.java"), str(self.folder), str(self.port)]


class VictoriaLogs(Server):
    """VictoriaLogs, which takes Loki's push API and Elasticsearch's bulk API; compiled of its Go module in half a minute."""

    ready_path = "/health"

    def command(self) -> Sequence[str]:
        """It keeps entries of any age, as far as they are not of the future."""
        data = f"-storageDataPath={self.folder / 'data'}"
        try:
            program = installed(VICTORIA_LOGS)
        except NoGoError as error:
            raise NotAvailable(f"VictoriaLogs cannot be compiled here: {error}") from error
        return [str(program), data, f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=100y"]

    def count(self, query: str = "*") -> int:
        """How many entries it has, those that it has twice counted twice."""
        self.ask("GET", "/internal/force_flush")
        return int(self.ask("GET", "/select/logsql/query", query=f"{query} | count() as n")["n"])

    def entries(self, query: str = "*") -> list[dict[str, str]]:
        """Entries by their time."""
        self.ask("GET", "/internal/force_flush")
        asked = {"query": f"{query} | sort by (_time)"}
        found = httpx.get(f"{self.base}/select/logsql/query", params=asked, timeout=30, trust_env=False)
        return [json.loads(line) for line in found.text.splitlines()]
