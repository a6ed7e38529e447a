"""What a user may ask of decode: the options that the engine adds to the table of every source of records."""

from typing import Annotated

from pydantic import Field

from pipeline.api import Config

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=256)]
ContentType = Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+$", max_length=256)]
MAX_BODY_BYTES = 256 * 1024 * 1024


class BodyOptions(Config):
    """Which message bodies to report. Without this table none is kept."""

    max_bytes: int = Field(default=64 * 1024, ge=1, le=MAX_BODY_BYTES)
    """How much of each body is kept and reported, before decompression and after it; what is longer is marked `truncated`."""
    content_types: tuple[ContentType, ...] = ()
    """Only bodies of these types, such as `application/json` or `text/*`; empty: of every type."""


class DecodeOptions(Config):
    """How the bytes of connections become exchanges, and within which bounds."""

    request_headers: tuple[HeaderName, ...] = ()
    """Request headers to report, by name. A header that carries a secret is reported only if it is named here."""
    response_headers: tuple[HeaderName, ...] = ()
    """Response headers to report, by name. A header that carries a secret is reported only if it is named here."""
    bodies: BodyOptions | None = None
    """Report message bodies: `bodies = { max_bytes = 65536, content_types = ["application/json"] }`."""
    max_connections: int = Field(default=200_000, ge=1)
    """Connections followed at a time (about 2 KB each); beyond it the one that was idle longest is let go, and counted."""
    max_memory_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """Bytes held for incomplete heads, segments out of order, bodies and what waits; who holds most is let go beyond it."""
    max_head_bytes: int = Field(default=64 * 1024, ge=1024, le=16 * 1024 * 1024)
    """Longest head that is understood whole; common servers refuse heads beyond 8 to 32 KiB."""
    max_pipelined_requests: int = Field(default=256, ge=1)
    """Requests of one connection that may wait for their responses; beyond it the oldest is reported without one."""
    response_timeout_secs: float = Field(default=300.0, gt=0)
    """A request on whose connection nothing was seen for so long is reported without its response; long polls take minutes."""
    idle_timeout_secs: float = Field(default=900.0, gt=0)
    """A connection on which nothing was seen for so long is forgotten."""
    reorder_timeout_secs: float = Field(default=2.0, gt=0)
    """How long a missing segment is waited for before it counts as lost."""
