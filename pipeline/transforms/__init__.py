"""Transforms: what happens to events between sources and sinks. Pure and synchronous; one noun of configuration per file."""
