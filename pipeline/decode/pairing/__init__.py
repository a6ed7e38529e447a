"""Pairing: requests and responses → exchanges. Where does a response find its request? Here (RFC 9112, section 9.3.2).

``pairing`` is that of one connection: while nothing is missing, the next response answers the oldest request. What waits, and
what that shows, is in ``waiting``. Behind a gap both sides wait in ``ambiguous``, with what ``gaps`` knows of messages that may
be missing, until it is certain what belongs together. ``build`` makes the event, ``multipath`` says what can be said of one of
several subflows. No reader is called, and nothing here imports transport, http1 or detect.
"""
