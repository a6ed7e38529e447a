"""Which sources, transforms and sinks there are, and which of them may be imported at all."""
