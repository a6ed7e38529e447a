"""HTTP/2 (RFC 9113): bytes of both directions of a connection → exchanges, one for each stream.

==================  ====================================================================================================
file                what it knows
==================  ====================================================================================================
``connection``      what its first bytes look like; makes what reads both directions
``reader``          bytes of one direction → frames → bodies, and fragments of header blocks
``header_blocks``   fragments of header blocks → heads
``streams``         what both directions say of each ``stream``, and when it is over
``exchange``        a stream that is over → exchange
``handover``        a connection as plain values, for the compiled lane and back
``heads``           fields → request line, status, and the fields that decode needs
``huffman``         the code of header strings (RFC 7541, appendix B)
``static_table``    the fields that need no sending (RFC 7541, appendix A)
``hpack``           header block → fields, also of a connection whose beginning nobody saw
``frames``          what a frame looks like, and where one begins in bytes of which nothing is known
==================  ====================================================================================================
"""
