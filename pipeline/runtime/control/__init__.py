"""What those outside may ask of a run: ``service`` answers; the control socket (``server``, ``session``) is how it is asked.

``client`` is the other end, for `httpipe top`, `tap` and `reload`. What a client does ends its own connection at most.
"""
