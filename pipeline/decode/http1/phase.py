"""Where the next byte of one direction stands, as a table: what may happen in which phase, and which phase follows.

=====  ============  ============  ==========  =====  =====  ========  =====
phase  BODY_BEGINS   BODY_ENDS     UNREADABLE  GAP    FOUND  SWITCHED  ENDED
=====  ============  ============  ==========  =====  =====  ========  =====
HEAD   BODY                        SEEK        SEEK          OTHER     OTHER
BODY                 HEAD                                    OTHER     OTHER
SEEK   BODY                        SEEK        SEEK   HEAD   OTHER     OTHER
OTHER                              OTHER       OTHER         OTHER     OTHER
=====  ============  ============  ==========  =====  =====  ========  =====

HEAD: a message must begin here, or goes on with its head. BODY: in a body (``framing`` says how that ends). SEEK: bytes are
missing, or were not HTTP, so the next message must be found. OTHER: nothing is read, as another protocol is spoken or the stream
has ended. A gap inside a body leaves BODY as it is; one that reaches beyond it ends the body first. An HTTP/0.9 response, which
is a body and nothing else, begins in SEEK: its bytes were unreadable as a head.
"""

from collections.abc import Mapping
from enum import IntEnum


class Phase(IntEnum):
    """Where the next byte stands."""

    HEAD = 0
    BODY = 1
    SEEK = 2
    OTHER = 3


class Step(IntEnum):
    """What may happen."""

    BODY_BEGINS = 0
    BODY_ENDS = 1
    UNREADABLE = 2
    GAP = 3
    FOUND = 4
    SWITCHED = 5
    ENDED = 6


# A global is found in a tenth of the time that a member of an enum takes.
HEAD, BODY, SEEK, OTHER = Phase
BODY_BEGINS, BODY_ENDS, UNREADABLE, GAP, FOUND, SWITCHED, ENDED = Step

NEXT: Mapping[Phase, Mapping[Step, Phase]] = {
    HEAD: {BODY_BEGINS: BODY, UNREADABLE: SEEK, GAP: SEEK, SWITCHED: OTHER, ENDED: OTHER},
    BODY: {BODY_ENDS: HEAD, SWITCHED: OTHER, ENDED: OTHER},
    SEEK: {BODY_BEGINS: BODY, UNREADABLE: SEEK, GAP: SEEK, FOUND: HEAD, SWITCHED: OTHER, ENDED: OTHER},
    OTHER: {UNREADABLE: OTHER, GAP: OTHER, SWITCHED: OTHER, ENDED: OTHER},
}
"""What is not in here cannot happen; a ``KeyError`` would be counted as a failure of decode."""
