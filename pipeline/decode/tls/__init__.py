"""TLS over TCP and in QUIC's Initials: what a handshake shows without any key. No decryption but of what has public keys.

================  ======================================================================================================
room              what comes in → what goes out
================  ======================================================================================================
``recognition``   first bytes → whether it is TLS, and who speaks
``reader``        bytes of one direction → records → what ``handshake`` is told; a ``protocol.Protocol``
``messages``      fragments → handshake messages
``client_hello``  message → what is offered; ``server_hello`` what is chosen; ``certificate``, on ``der``, whose it is
``handshake``     facts of both directions; says when it is over
``fingerprints``  hellos → JA3, JA3S, JA4
``build``         handshake → event
================  ======================================================================================================
"""
