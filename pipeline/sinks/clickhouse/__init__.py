"""Events as rows of a ClickHouse table: ``sink`` steers, ``statements`` says what it sends, ``answer`` what an exception means.

Requests go through ``sinks/http/client.py``.
"""
