"""From the graph to the sinks: one bounded queue and one worker per sink, retry, dead letters, the ledger, acknowledgement.

In: batches of events from the runtime's graph. Out: calls of ``Sink.write``. No sink ever waits for another.
"""
