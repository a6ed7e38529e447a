"""What stands around a TCP segment in a captured packet: link layers, tags, tunnels, IP. One small function per header."""
