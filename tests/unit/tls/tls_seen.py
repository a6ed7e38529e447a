"""Records of ``tls.bpf.c``, made up, and what ``Streams`` makes of them."""

from pipeline.model.records import Process, Record
from pipeline.sources.tls import abi
from pipeline.sources.tls.ring import Seen
from pipeline.sources.tls.streams import Described, Streams

LOCAL = bytes([10, 0, 0, 1]) + (40000).to_bytes(2, "big")
REMOTE = bytes([10, 0, 0, 2]) + (443).to_bytes(2, "big")
CURL = Process(77, "curl")
UNWANTED = 78
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def seen(payload: bytes = GET, **fields: object) -> Seen:
    """Plain text that process 77 wrote on connection 5, at second 1; its socket is not known."""
    default: dict[str, object] = {
        "ts_ns": 10**9, "connection": 5, "position": 0, "tgid": 77, "length": len(payload), "target": 1, "version": 0,
        "kind": int(abi.Kind.DATA), "bits": int(abi.Bit.SENT), "how": 0, "votes": 0, "conflicts": 0, "process_votes": 0,
        "process_conflicts": 0, "local": b"", "remote": b"", "payload": payload,
    }  # fmt: skip
    return Seen(**{**default, **fields})  # type: ignore[arg-type]


def bound(payload: bytes = GET, **fields: object) -> Seen:
    """The same, with proof of its socket."""
    return seen(payload, **{"how": int(abi.How.NESTED), "local": LOCAL, "remote": REMOTE, **fields})


class Fed:
    """``Streams`` that know process 77, and what they counted."""

    def __init__(self, most: int = 100) -> None:
        self.counted: dict[str, int] = {}
        self.streams = Streams(self._describe, self._count, most)

    @staticmethod
    def _describe(tgid: int, _target: int) -> Described | None:
        return None if tgid == UNWANTED else Described(CURL, "openssl")

    def _count(self, name: str, by: int) -> None:
        self.counted[name] = self.counted.get(name, 0) + by

    def feed(self, *found: Seen, now_ns: int = 10**9) -> list[Record]:
        """What comes out at once."""
        for each in found:
            self.streams.feed(each)
        return self.streams.take(now_ns)
