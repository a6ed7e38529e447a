"""Packets that a run keeps on request, so that those of a connection can be taken away: the newest, within a bound of bytes.

``store.py`` keeps what sources gave as it is, ``index.py`` finds the connections in it when somebody asks, ``taker.py`` takes the
packets of those that events name. What a source gave as records, for it never had the packets, becomes packets again in
``synthesis.py``; what probes on TLS libraries read, in ``plaintext.py``.
"""
