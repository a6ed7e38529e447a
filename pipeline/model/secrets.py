"""Where credentials stand in HTTP by their names, and what is shown in their place: one table for whoever shows traffic.

``pipeline.transforms.secrets`` finds others by what they look like; a transform's user names more.
"""

from urllib.parse import unquote

REDACTED = "REDACTED"

SENSITIVE_PARAMETERS = frozenset(
    {
        "awsaccesskeyid",
        "sig",
        "signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-signature",
    }
)
"""Query parameters in small letters (OpenTelemetry, semantic conventions for URLs): the value is replaced, the name stays."""

SENSITIVE_FIELDS = frozenset(
    {
        "authorization",
        "cookie",
        "cookie2",
        "proxy-authorization",
        "set-cookie",
        "set-cookie2",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
    }
)
"""Header fields in small letters whose whole value is a credential."""


def is_sensitive_parameter(name: str) -> bool:
    """Whether a query parameter, written in any case and percent-encoded or not, is one of them."""
    return (unquote(name) if "%" in name else name).lower() in SENSITIVE_PARAMETERS
