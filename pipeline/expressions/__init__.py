"""The language of ``where``, ``key`` and ``value``: a subset of Python's expressions over the field names.

In goes the text of an expression, out comes compiled Python: a test of one event, a selection from a batch, or a value.
Everything wrong with the text is found here, before any event is seen; nothing raises afterwards, whatever an event holds.
"""
