"""TLS within one process, by memory BIOs: for each line read, so many messages from client to server; then it prints a line."""

import ssl
import sys

certificate = sys.argv[1]

server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(certificate)
client_context = ssl.create_default_context(cafile=certificate)
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
server = server_context.wrap_bio(to_server, to_client, server_side=True)
client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
for end in (client, server, client, server, client):
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        continue
print("ready", flush=True)
for line in sys.stdin:
    for number in range(int(line)):
        client.write(b"message %d" % number)
        assert server.read(100) == b"message %d" % number
    print("done", flush=True)
