"""librdkafka's mock cluster in a process of its own: the stand-in where Java or Maven is not to be had. Ends with its parent.

Run as ``python kafka_mock.py BROKERS TOPIC:PARTITIONS …``; prints the bootstrap servers on one line, then waits for the end of
its standard input.
"""

import sys

from confluent_kafka import Producer


def main() -> None:
    """Serve until standard input ends."""
    brokers, *topics = sys.argv[1:]
    cluster = Producer({"test.mock.num.brokers": int(brokers)})
    for topic in topics:
        cluster.list_topics(topic, timeout=10)  # the mock makes a topic when it is asked about, with 4 partitions
    found = cluster.list_topics(timeout=10)
    print(",".join(f"{broker.host}:{broker.port}" for broker in found.brokers.values()), flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main()
