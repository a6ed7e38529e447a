"""Transport: records of connections → the bytes of each direction, in order and each once, and gaps where bytes are missing.

``direction`` does that for one direction (RFC 9293), with ``disorder`` for what came early. ``table`` holds the connections that
are followed: ``arrivals`` and ``openings`` say which segment begins one, ``segments`` what segments say on one beside their bytes
(SYN, FIN, RST, other connections between the same ports), ``streams`` the same for byte streams that somebody else put in order,
``timers`` when one is overdue. ``strays`` and ``recently_closed`` are segments that belong to no connection that is followed.

What it knows of protocols is ``decode.protocol.Protocol``, which it tells bytes, and ``detector.Detector``, which it asks what
bytes are. It imports neither http1 nor pairing nor detect.
"""
