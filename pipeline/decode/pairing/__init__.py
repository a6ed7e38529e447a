"""Requests and responses → exchanges: which response answers which request (RFC 9112, section 9.3.2)."""
