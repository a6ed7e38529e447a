"""Events from Kafka topics: ``source`` hands them out, ``offsets`` knows what is acknowledged, ``records`` decodes.

``consumer`` is one of the two homes of aiokafka.
"""
