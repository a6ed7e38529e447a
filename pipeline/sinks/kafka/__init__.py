"""Events to Kafka topics: ``sink`` steers, ``write`` carries one batch, ``routing`` finds topic and key.

``producer`` is one of the two homes of aiokafka.
"""
