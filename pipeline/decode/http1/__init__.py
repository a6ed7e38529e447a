"""HTTP/1: the bytes of one direction → messages (RFC 9110, RFC 9112). Pure: bytes and positions in, no segments, no time.

``reader`` is the protocol of one direction; ``requests``, ``responses`` and ``response_bodies`` say what differs, ``state`` what
both remember, ``expectations`` what the client shows of responses. Where the next byte stands is the table in ``phase``, how a
body ends the two tables in ``framing``. ``startline``, ``fields`` and ``chunked`` parse, ``recognition`` tells what can be
the beginning of a message. Messages go to ``pairing``, which says in return which request a response answers; nothing here
imports transport or detect.
"""
