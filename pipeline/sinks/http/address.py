"""The address of a server, as an option. Pure."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_SERVER = re.compile(r"https?://[^/?#@\s]+(?:/[^?#\s]*)?", re.IGNORECASE)


def _checked(text: str) -> str:
    if "@" in "".join(text.split("/")[2:3]):
        raise ValueError("has credentials; they have options of their own")
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment, which cannot be sent with what follows it; leave it out")
    if not _SERVER.fullmatch(text):
        raise ValueError(
            "must be http:// or https://, a host and, if need be, a port and a path, such as https://db.example:8443"
        )
    return text.rstrip("/")


def is_https(url: str) -> bool:
    """Whether a URL asks for TLS."""
    return url.lower().startswith("https://")


ServerUrl = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_checked)]
"""An option that names a server: ``https://host:port/path``, without a slash at its end."""
