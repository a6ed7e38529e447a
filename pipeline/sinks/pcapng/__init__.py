"""The ``pcapng`` sink: the packets of the connections that events are about, as a capture file."""
