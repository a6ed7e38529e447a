"""Events to a web server: ``sink`` steers, ``requests`` makes requests of a batch, ``answer`` says what a status means.

Shared with other sinks that send requests: ``client``, the home of httpx; ``rounds``, the requests of one batch; ``answer``.
"""
