"""What the Kafka sink and the Kafka source share: options, credentials, partitioning, findings.

No aiokafka here: its two homes, ``sinks/kafka/producer.py`` and ``sources/kafka/consumer.py``, hand in what is needed.
"""
