"""What the gate is told: settings as user space means them, and as the programs read them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct, iter_unpack

from pipeline.sources.bpf.abi import port_bits
from pipeline.sources.gate import abi

_HEAD = Struct("=IIIII")
_REPLY = Struct(f"=II{abi.REPLY_BYTES}s")

REASON = "refused by this host.\n"

LONGEST_BODY = 340
"""Bytes of the body of a 403: with its head it is one segment, for the gate has no timer to send a second one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``refuse``: doubts that are refused. ``policy``: what is refused besides requests. ``reply``: a whole response."""

    ports: tuple[int, ...]
    mode: abi.Mode = abi.Mode.MONITOR
    answer: abi.Answer = abi.Answer.FORBIDDEN
    refuse: abi.Doubt = abi.Doubt.ALL
    policy: abi.Policy = abi.Policy.ALL
    report_all: bool = False
    reply: bytes = b""

    def __post_init__(self) -> None:
        if len(self.reply or default_reply()) > abi.REPLY_BYTES:
            raise ValueError(f"a reply has at most {abi.REPLY_BYTES} bytes")

    def parts(self) -> Iterable[tuple[int, bytes]]:
        """Where in ``struct gate_settings`` which bytes go. The mode comes last: nothing is refused by half of them."""
        reply = self.reply or default_reply()
        yield abi.PORTS_OFFSET, port_bits(self.ports)
        yield abi.REPLY_OFFSET, _REPLY.pack(len(reply), checksum(reply), reply)
        yield (
            abi.MODE_OFFSET,
            _HEAD.pack(self.mode, self.answer, self.refuse & abi.Doubt.ALL, self.policy, self.report_all),
        )


def default_reply(body: str = REASON, content_type: str = "text/plain; charset=utf-8") -> bytes:
    """A 403 with a body. It ends the connection: the gate is nobody to go on with."""
    text = body.encode()
    head = (
        f"HTTP/1.1 403 Forbidden\r\nContent-Type: {content_type}\r\nContent-Length: {len(text)}\r\n"
        "Connection: close\r\nCache-Control: no-store\r\n\r\n"
    )
    return head.encode() + text


def checksum(data: bytes) -> int:
    """The ones' complement sum (RFC 1071), not inverted, in this machine's byte order."""
    total: int = sum(word for (word,) in iter_unpack("=H", data + b"\0" * (len(data) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
