"""Events to Elasticsearch, OpenSearch and what speaks their bulk API: ``sink`` steers, the others are pure.

``index_name`` says into which index an event goes, ``bulk`` makes a request of events and reads the answer, ``index_template``
tells the server the types of the fields.
"""
