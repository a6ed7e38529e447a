"""Events as syslog messages: ``sink`` steers, ``message`` writes one, ``address`` says where they go.

``stream`` carries them over TCP, TLS and stream sockets, ``datagram`` over UDP and datagram sockets.
"""
