"""Segments and chunks in any order → the bytes of each direction, each once, and gaps where bytes are lost (RFC 9293)."""
