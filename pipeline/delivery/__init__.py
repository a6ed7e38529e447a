"""From the graph to the sinks: one bounded queue and one worker per sink, retry, dead letters, the ledger, acknowledgement.

In: batches of events from the runtime's graph. Out: calls of ``Sink.write``. No sink ever waits for another.

What happens to an event that no sink takes? It ends in the ledger with a reason (``ledger.Reason``), never in silence: of an
output without readers as ``unread``; of a full queue as ``when_full`` says (``buffer``); of a sink that rejects it, or fails too
often, in its dead letter (``dead_letter``), or as lost where none is configured (``writer``). Then it is acknowledged to its
source (``acknowledgement``), and ``losses`` writes the log line.
"""
