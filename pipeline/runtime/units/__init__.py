"""The parts of a running pipeline: one unit per component, made from its spec, with its counters, log and health.

Making a unit opens nothing. A unit lives as long as its component stands unchanged in the pipeline file; one that takes its place
takes over its books. An event that no sink takes is discarded where it stands: a source or transform whose output nobody reads
counts it as ``unread`` (``outlet``, ``transform_node``), a sink as in ``delivery``.
"""
