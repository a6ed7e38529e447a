"""Events to a web server: ``sink`` steers, ``requests`` makes requests of a batch, ``answer`` says what a status means.

``client`` is the home of httpx.
"""
