"""WebSocket (RFC 6455, RFC 7692): bytes of one direction → messages, each an event.

``reader`` reads a direction: ``frames`` finds where each frame begins and what it says, ``message`` puts a message together,
``deflate`` undoes its compression, ``evidence`` finds the place again behind lost bytes. ``talk`` is what both directions have in
common, and makes the events. It never guesses: where a frame cannot be found any more, nothing is reported until one can.
"""
