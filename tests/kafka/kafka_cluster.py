"""Real brokers for tests: Apache Kafka in KRaft mode on free ports of 127.0.0.1, one process each, ended by their ids.

Each broker has a plain listener, and on request one with SASL and one with TLS and SASL. Nothing survives the test process:
the kernel ends a broker when the process that started it dies.
"""

import base64
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka_distribution import jars

START_SECS = 60
STOP_SECS = 20
PR_SET_PDEATHSIG = 1
QUICK_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""Less CPU to start with, which is what tests want; benchmarks leave these out."""

USER, PASSWORD = "alice", "alice-secret-7261"
CLIENT_FACTORY = "org.apache.kafka.common.security"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class Broker:
    """One broker: its ports, its folder and its process."""

    node: int
    port: int
    controller_port: int
    folder: Path
    java: Sequence[str]
    sasl_port: int = 0
    tls_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port of the plain listener."""
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> Path:
        """What the broker printed."""
        return self.folder / "broker.log"

    def start(self) -> None:
        """Start the process; ``wait`` waits until it answers."""
        command = [*self.java, "kafka.Kafka", str(self.folder / "server.properties")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  brokers are started from the main thread
            )

    def wait(self, deadline: float) -> None:
        """Until the plain listener accepts connections."""
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"broker {self.node} ended: {self.log.read_text()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise TimeoutError(f"broker {self.node} did not answer: {self.log.read_text()[-2000:]}")

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT, SIGKILL: to this process only."""
        assert self.process is not None
        self.process.send_signal(number)

    def move(self, port: int) -> None:
        """Its plain listener is at another port from the next start on. Its data stay."""
        properties = self.folder / "server.properties"
        properties.write_text(
            properties.read_text().replace(f"PLAINTEXT://127.0.0.1:{self.port}", f"PLAINTEXT://127.0.0.1:{port}")
        )
        self.port = port

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECS)
        self.process = None


@dataclass
class Cluster:
    """One broker or several, with what is needed to start and stop them."""

    brokers: list[Broker]
    folder: Path
    jar_folder: Path
    certificate: Path | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """What clients connect to."""
        return ",".join(broker.address for broker in self.brokers)

    def broker(self, node: int) -> Broker:
        """The broker with this node id."""
        return self.brokers[node - 1]

    def start(self) -> None:
        """Start all brokers and wait until they are ready."""
        self.begin()
        self.ready()

    def begin(self) -> None:
        """Start all brokers. From the main thread only: a broker ends with the *thread* that started it, see prctl(2)."""
        for broker in self.brokers:
            broker.start()

    def ready(self) -> None:
        """Wait until each broker knows all the others: a port opens seconds before that."""
        deadline = time.monotonic() + START_SECS
        for broker in self.brokers:
            broker.wait(deadline)
        for broker in self.brokers:
            while _known_brokers(broker.address) < len(self.brokers):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"broker {broker.node} knows too few others: {broker.log.read_text()[-2000:]}")
                time.sleep(0.1)

    def stop(self) -> None:
        """Kill all brokers; their data stay, so that ``start`` goes on where they were."""
        for broker in self.brokers:
            broker.kill()

    def in_sync(self, topic: str) -> None:
        """Wait until all replicas of a topic are in sync."""
        deadline = time.monotonic() + START_SECS
        command = ["kcat", "-L", "-b", self.bootstrap, "-t", topic]
        while time.monotonic() < deadline:
            listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
            lines = [line for line in listed.splitlines() if "isrs:" in line]
            if lines and all(line.split("isrs:")[1].count(",") == min(len(self.brokers), 3) - 1 for line in lines):
                return
            time.sleep(0.1)
        raise TimeoutError(f"topic {topic} has replicas that are not in sync")

    def tool(self, java_class: str, *arguments: str, stdin: bytes | None = None, secs: float = 60) -> bytes:
        """Run one of Kafka's own command-line tools; gives its standard output."""
        command = ["java", "-Xmx256m", *QUICK_JVM, "-cp", f"{self.jar_folder}/*", java_class, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=secs, check=False)
        if done.returncode:
            raise RuntimeError(f"{java_class} failed: {done.stderr.decode()[-2000:]}")
        return done.stdout


def make_cluster(  # noqa: PLR0913  what differs between tests, `make kafka` and benchmarks
    folder: Path, size: int = 1, *, secure: bool = False, quick: bool = True, heap_mb: int = 384, port: int = 0
) -> Cluster:
    """Write the configuration of ``size`` brokers under ``folder`` and format their storage; nothing runs yet.

    ``port`` of the first broker's plain listener, 0 for any.
    """
    jar_folder = jars()
    ports = free_ports(4 * size)
    ports[0] = port or ports[0]
    java = ["java", f"-Xmx{heap_mb}m", *(QUICK_JVM if quick else ()), "-cp", f"{jar_folder}/*"]
    brokers = [Broker(n + 1, *ports[4 * n : 4 * n + 2], folder / f"broker-{n + 1}", java) for n in range(size)]
    for n, broker in enumerate(brokers):
        if secure:
            broker.sasl_port, broker.tls_port = ports[4 * n + 2 : 4 * n + 4]
    cluster = Cluster(brokers, folder, jar_folder, _certificate(folder) if secure else None)
    identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "0")  # "-" would begin an option
    formats = [_format(cluster, broker, identity, secure=secure) for broker in brokers]
    for process in formats:
        output, _ = process.communicate(timeout=START_SECS)
        if process.returncode:
            raise RuntimeError(f"formatting the storage failed: {output.decode()[-2000:]}")
    return cluster


def _format(cluster: Cluster, broker: Broker, identity: str, *, secure: bool) -> subprocess.Popen[bytes]:
    shutil.rmtree(broker.folder, ignore_errors=True)
    broker.folder.mkdir(parents=True)
    properties = broker.folder / "server.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in _properties(cluster, broker).items()))
    command = [*broker.java, "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(properties)]
    if secure:
        command += ["--add-scram", f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"]
        command += ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=broker.folder)


def _properties(cluster: Cluster, broker: Broker) -> dict[str, str]:
    size = len(cluster.brokers)
    listeners = {"PLAINTEXT": broker.port, "CONTROLLER": broker.controller_port}
    if broker.sasl_port:
        listeners |= {"SASL_PLAINTEXT": broker.sasl_port, "SASL_SSL": broker.tls_port}
    copies = min(size, 3)
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(broker.node),
        "controller.quorum.voters": ",".join(f"{one.node}@127.0.0.1:{one.controller_port}" for one in cluster.brokers),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
        "log.dirs": str(broker.folder / "data"),
        "auto.create.topics.enable": "false",
        "num.partitions": "1",
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(min(copies, 2)),
        "transaction.state.log.num.partitions": "3",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(min(copies, 2)),
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "controlled.shutdown.enable": "true",
        # A dead broker is noticed in two seconds instead of nine, so that fault tests need not wait.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "2000",
        "controller.quorum.election.timeout.ms": "500",
        "controller.quorum.fetch.timeout.ms": "1000",
        "replica.lag.time.max.ms": "3000",
    }
    return properties | (_security(cluster) if broker.sasl_port else {})


def _security(cluster: Cluster) -> dict[str, str]:
    """PLAIN, SCRAM and OAUTHBEARER (unsigned tokens, as Kafka has them for tests) on both listeners with SASL."""
    plain = f'{CLIENT_FACTORY}.plain.PlainLoginModule required username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
    scram = f"{CLIENT_FACTORY}.scram.ScramLoginModule required;"
    oauth = f'{CLIENT_FACTORY}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{USER}";'
    validator = f"{CLIENT_FACTORY}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    assert cluster.certificate is not None
    properties = {
        "listener.security.protocol.map": ",".join(
            f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}"
            for name in ("PLAINTEXT", "CONTROLLER", "SASL_PLAINTEXT", "SASL_SSL")
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(cluster.certificate.with_name("broker.pem")),
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        name = f"listener.name.{listener}"
        properties |= {
            f"{name}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            f"{name}.plain.sasl.jaas.config": plain,
            f"{name}.scram-sha-256.sasl.jaas.config": scram,
            f"{name}.scram-sha-512.sasl.jaas.config": scram,
            f"{name}.oauthbearer.sasl.jaas.config": oauth,
            f"{name}.oauthbearer.sasl.server.callback.handler.class": validator,
        }
    return properties


def _certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1; ``broker.pem`` beside it holds key and certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    (folder / "broker.pem").write_text(key.read_text() + certificate.read_text())
    return certificate


def _die_with_parent() -> None:
    """In the child: have the kernel end it when the thread that started it dies, however that happens; see prctl(2)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()  # Ctrl-C is for the tests, which then end the brokers in order


def _known_brokers(address: str) -> int:
    """How many brokers the metadata of one of them names."""
    command = ["kcat", "-L", "-b", address, "-m", "5"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    return sum(line.startswith("  broker ") for line in listed.splitlines())
