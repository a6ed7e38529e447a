"""The ``stdout`` sink, and how events look to people: lines, cells and tables, also of ``tap``, ``watch`` and the page."""
