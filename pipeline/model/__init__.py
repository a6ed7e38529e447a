"""The nouns: records (what a source saw), connections, events (what transforms and sinks see). No behaviour, no I/O."""
