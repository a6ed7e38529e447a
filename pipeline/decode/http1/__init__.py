"""HTTP/1 messages from the ordered bytes of one direction (RFC 9110, RFC 9112). Pure."""
