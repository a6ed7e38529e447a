"""Events to any OpenTelemetry backend: exchanges as spans or log records, measurements as metrics, other kinds as log records.

``sink`` steers; ``signals`` sorts a batch and makes the body of a request; ``spans``, ``logs`` and ``metrics`` write one event,
with the attributes of ``attributes`` and the ids of ``context``, ``resource`` what they belong to, all of it in bytes of
``anyvalue``; ``answer`` says what an answer means; ``over_http`` and ``over_grpc``, the home of grpcio, carry it.
"""
