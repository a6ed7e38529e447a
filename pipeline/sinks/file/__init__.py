"""The ``file`` sink: paths that depend on the event, rotation, and files that only ever hold whole events."""
