"""``make kafka``: one real broker to try things with, on 127.0.0.1, until Ctrl-C. Its data go with it."""

# ruff: noqa: T201  a command for people

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kafka_cluster import Cluster, free_ports, make_cluster
from kafka_distribution import NotAvailable, jars, version

DEFAULT_PORT = 9092
TOPIC = "http-exchanges"
PARTITIONS = 12


def main() -> int:
    """Start, say how to use it, wait."""
    print(f"Apache Kafka {version()}: fetching it if need be (54 MB) …", flush=True)
    try:
        jars()
    except NotAvailable as reason:
        print(
            f"it cannot be had here: {reason}\nlibrdkafka's mock cluster instead: python tests/kafka/kafka_mock.py 1",
            file=sys.stderr,
        )
        return 69
    folder = Path(tempfile.mkdtemp(prefix="httpipe-kafka-"))
    cluster = make_cluster(folder, port=_port(), heap_mb=512)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        cluster.start()
        _make_topic(cluster)
        print(usage(cluster.bootstrap), flush=True)
        while cluster.brokers[0].running:
            time.sleep(0.5)
        print(f"the broker has ended:\n{cluster.brokers[0].log.read_text()[-2000:]}", file=sys.stderr)
    except KeyboardInterrupt:
        print()
        return 0
    else:
        return 1
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _port() -> int:
    """Kafka's usual port where it is free."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            return free_ports(1)[0]
    return DEFAULT_PORT


def _make_topic(cluster: Cluster) -> None:
    arguments = ["--bootstrap-server", cluster.bootstrap, "--create", "--topic", TOPIC, "--partitions", str(PARTITIONS)]
    cluster.tool("org.apache.kafka.tools.TopicCommand", *arguments)


def usage(bootstrap: str) -> str:
    """What to type in other terminals."""
    where = "" if bootstrap.endswith(f":{DEFAULT_PORT}") else f"KAFKA_SERVERS={bootstrap} "
    sudo = "" if os.geteuid() == 0 else "sudo -E "
    return f"""
A broker listens on {bootstrap}; topic {TOPIC} has {PARTITIONS} partitions. In other terminals:

  {where}{sudo}.venv/bin/httpipe run examples/agent.toml           this host's HTTP traffic into the topic
  {where}HTTPIPE_DATA=/tmp .venv/bin/httpipe run examples/worker.toml    out of it again, into files

Read the topic:

  kcat -C -b {bootstrap} -t {TOPIC} -f '%p %o %k %s\\n'
  java -cp '{jars()}/*' org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server {bootstrap} \\
       --topic {TOPIC} --from-beginning

Ctrl-C ends the broker and removes its data."""


if __name__ == "__main__":
    sys.exit(main())
