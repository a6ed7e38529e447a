"""Events from Kafka topics: ``source`` hands them out, ``offsets`` knows what is settled, ``records`` decodes.

``consumer`` is one of the two homes of aiokafka.
"""
