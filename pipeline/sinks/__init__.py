"""Where events go. Each sink does its own I/O: batching, queueing, retry and dead letters belong to the engine."""
