"""Events to Grafana Loki and what speaks its push API: ``sink`` steers, the others are pure.

``labels`` says to which stream an event belongs, ``push`` makes a request of streams, ``refusal`` reads why one was refused.
"""
