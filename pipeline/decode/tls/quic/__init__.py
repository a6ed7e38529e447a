"""QUIC's Initial packets (RFC 9000, RFC 9369): datagrams → the CRYPTO frames in them → a handshake.

Their keys follow from a number that stands in the packet (RFC 9001, section 5.2), so that everybody can read them. Everything
behind them is protected, and is not looked at.
"""
