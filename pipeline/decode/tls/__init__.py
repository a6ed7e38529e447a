"""TLS over TCP and in QUIC's Initials: what a handshake shows without any key. No decryption but of what has public keys.

================  ======================================================================================================
room              what comes in → what goes out
================  ======================================================================================================
``recognition``   first bytes → whether it is TLS, and who speaks
``reader``        bytes of one direction → records → what ``handshake`` is told; a ``protocol.Protocol``
``messages``      fragments → handshake messages
``client_hello``  message → what is offered; ``server_hello`` what is chosen; ``certificate``, on ``der``, whose it is
``facts``         what the messages tell of one handshake; ``handshake`` says when that of a TCP connection is over
``quic``          datagrams → Initials → messages; ``facts``, again
``fingerprints``  hellos → JA3, JA3S, JA4
``build``         facts → event
================  ======================================================================================================
"""
