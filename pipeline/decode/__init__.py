"""Decode: records → ordered bytes → messages → exchanges. Pure: no I/O, no clock, and nothing off the wire raises.

Data goes one way, and no room calls the one before it:

=============  =========================================================================================================
room           what comes in → what goes out
=============  =========================================================================================================
``decoder``    records → events; time and memory
``transport``  records of connections → ``data``, ``gap``, ``end`` of one direction (``protocol.Protocol``)
``detect``     first bytes → which protocol; makes it, and makes another one where both ends agree to go on with that
``http1``      bytes of one direction → messages (``message``)
``tls``        bytes of both directions → handshakes, where these are asked for
``pairing``    messages of both directions → exchanges
=============  =========================================================================================================

Another protocol is a folder beside ``http1`` and some lines in ``detect``. A room may ask the next one and use what it returns.
What the next one knows better comes back as a result, and the caller acts on it: ``Protocol.data`` returns a ``Switch`` where
another protocol follows, ``Pairing`` returns a message that is over though its reader cannot see that. What is known of a
connection stands in ``model.connection``, how far a direction has been read in ``position.Progress``; both may be looked at from
everywhere behind, and each has one writer.
"""

from pipeline.config.options import BodyOptions, DecodeOptions
from pipeline.decode.decoder import Decoder

__all__ = ["BodyOptions", "DecodeOptions", "Decoder"]
