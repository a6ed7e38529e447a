"""Events, what transforms and sinks see: one module and one field table a kind; ``kinds`` knows them all. No behaviour, no I/O."""
