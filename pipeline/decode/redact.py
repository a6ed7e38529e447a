"""Secrets in URLs: what is shown in their place.

OpenTelemetry (semantic conventions, URL attributes): credentials in the authority and the values of a list of query parameters
are replaced by ``REDACTED``; the parameter's name stays.
"""

import re

from pipeline.model.secrets import REDACTED, SENSITIVE_PARAMETERS, is_sensitive_parameter

_PARAMETER = re.compile(rf"([?&;](?i:{'|'.join(sorted(SENSITIVE_PARAMETERS))})=)[^&;#]+")
_ENCODED = re.compile(r"([?&;]([^=&;?#%]*%[^=&;?#]*)=)[^&;#]+")
"""Only names with a percent sign, which are few: the servers decode them, so they mean the same (RFC 3986, section 2.4)."""
_USERINFO = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)([^/?#@]*(?:@[^/?#@]*)*)@")


def redact_query(query: str) -> str:
    """A query without ``?``, sensitive values replaced."""
    if "=" not in query:
        return query
    clean = f"?{query}"
    if _PARAMETER.search(clean):  # nearly never: looking costs a tenth of replacing
        clean = _PARAMETER.sub(rf"\1{REDACTED}", clean)
    if "%" in clean:
        clean = _ENCODED.sub(_parameter, clean)
    return clean[1:]


def redact_userinfo(target: str) -> str:
    """A target in absolute form without its credentials: ``http://REDACTED:REDACTED@host/``, as OpenTelemetry has it."""
    return _USERINFO.sub(_credentials, target, count=1)


def _parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}" if is_sensitive_parameter(match[2]) else match[0]


def _credentials(match: re.Match[str]) -> str:
    both = f"{REDACTED}:{REDACTED}" if ":" in match[2] else REDACTED
    return f"{match[1]}{both}@"
