"""One direction of TLS over TCP (RFC 8446, section 5): bytes → records → what ``Handshake`` is told. See ``protocol.Protocol``.

Only what is in clear is kept, and only until the handshake is over; records of application data are counted by their heads.
"""

import msgspec

from pipeline.decode.position import MASK, At
from pipeline.decode.protocol import End, Missing
from pipeline.decode.tls.handshake import Handshake
from pipeline.decode.tls.messages import Messages
from pipeline.decode.tls.recognition import HANDSHAKE, HEAD_BYTES, is_record, is_ssl2

CHANGE_CIPHER_SPEC, ALERT, APPLICATION_DATA = 20, 21, 23
_ALERT_BYTES = 2


class Reader(msgspec.Struct, gc=False, eq=False):
    """``head`` is the beginning of a record's head, ``alert`` of an alert; ``lost``: where the next record begins is not known.

    ``kind``, ``length`` and ``left`` are of the record that is being read.
    """

    client: bool
    handshake: Handshake
    messages: Messages
    head: bytes = b""
    alert: bytes = b""
    kind: int = 0
    length: int = 0
    left: int = 0
    lost: bool = False

    def data(self, data: bytes, at: At) -> None:
        """The next bytes."""
        handshake = self.handshake
        if handshake.over or (self.lost and not is_record(data)):
            return
        self.lost = False
        before, pos = self.messages.held, 0
        while pos < len(data) and not handshake.over:
            if self.left:
                fragment = data[pos : pos + self.left]
                pos += len(fragment)
                self.left -= len(fragment)
                self._fragment(fragment, at)
            else:
                pos = self._begin(data, pos, at)
        handshake.holds(self.messages.held - before)

    def gap(self, count: int, at: At, why: Missing) -> None:  # noqa: ARG002  where it begins does not matter
        """Within a record its end is still known, behind it nothing is until another one seems to begin."""
        handshake = self.handshake
        if handshake.over:
            return
        before = self.messages.held
        if why is Missing.UNSEEN:
            handshake.one_sided = True
        elif self.kind != APPLICATION_DATA or count > self.left:
            handshake.misses(on_purpose=why is Missing.LEFT_OUT)
        if self.kind == HANDSHAKE and self.left:
            self.messages.skip(min(count, self.left))
        if count > self.left or self.head:
            self.lost, self.left, self.head = True, 0, b""
        else:
            self.left -= count
        handshake.holds(self.messages.held - before)

    def end(self, why: End) -> None:
        """No more bytes will come."""
        self.handshake.closes(why, client=self.client)

    def caught_up(self) -> None:
        """Nothing waits for that."""

    def opened_at(self, seq: int) -> None:
        """Nothing depends on it."""

    def overdue(self) -> None:
        """Whoever is silent for so long does not go on."""
        self.handshake.breaks_off(End.TIMEOUT)

    def release(self) -> None:
        """The connection is over."""
        self.handshake.breaks_off(End.UNSEEN)

    @property
    def waiting(self) -> bool:
        """Until the handshake is over."""
        return not self.handshake.over

    @property
    def busy(self) -> bool:
        """A reset is an end like any other, so it need not wait for anything."""
        return False

    @property
    def held_bytes(self) -> int:
        """Of both directions."""
        return self.handshake.held

    # -- records ---------------------------------------------------------------------------------------------------------

    def _begin(self, data: bytes, pos: int, at: At) -> int:
        """Read a record's head; where in ``data`` one goes on."""
        taken = data[pos : pos + HEAD_BYTES - len(self.head)]
        self.head += taken
        head, handshake = self.head, self.handshake
        if len(head) < HEAD_BYTES:
            return pos + len(taken)
        self.head = b""
        handshake.speaks(at, at.seq + pos & MASK, client=self.client)
        if is_record(head):
            self._record(head, at)
        elif self.client and handshake.offer is None and is_ssl2(head):
            # Two bytes of length, then the message: its type, its version, and more.
            self.kind, self.length = HANDSHAKE, (int.from_bytes(head[:2], "big") & 0x7FFF) - 3
            self.left = max(self.length, 0)
            self.messages.begin_ssl2(head[3:], self.left)
        else:
            handshake.garbles(at, client=self.client)
        return pos + len(taken)

    def _record(self, head: bytes, at: At) -> None:
        handshake = self.handshake
        self.kind, self.length = head[0], int.from_bytes(head[3:], "big")
        self.left = self.length
        if self.kind == APPLICATION_DATA:
            handshake.encrypts(self.length, at, client=self.client)
        elif self.kind == CHANGE_CIPHER_SPEC:
            handshake.changes(client=self.client)
        elif self.kind == ALERT:
            self.alert = b""
        elif self.kind == HANDSHAKE:
            self.messages.resume()

    def _fragment(self, fragment: bytes, at: At) -> None:
        """What the record holds, or a part of it."""
        handshake = self.handshake
        encrypted = handshake.side(client=self.client).changed and not handshake.is_1_3
        if self.kind == HANDSHAKE and not encrypted:
            for message in self.messages.feed(fragment):
                handshake.message(message, client=self.client)
        elif self.kind == HANDSHAKE and not self.left:
            handshake.finishes(at, client=self.client)
        elif self.kind == ALERT and self.length == _ALERT_BYTES:
            self.alert += fragment
            if not self.left:
                handshake.alerts(self.alert[0], self.alert[1], at, client=self.client)
        elif self.kind == ALERT and not self.left:
            handshake.alerts_encrypted(at, client=self.client)
