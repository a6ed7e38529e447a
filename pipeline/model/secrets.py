"""Where credentials stand in HTTP by their names, and what is shown in their place: one table for whoever shows traffic.

``pipeline.transforms.secrets`` finds others by what they look like; a transform's user names more.
"""

import re
from collections.abc import Callable
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


_PARAMETER = re.compile(rf"(?:^|[?&;])(?i:{'|'.join(sorted(SENSITIVE_PARAMETERS))})=")
_USERINFO = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)([^/?#@]*(?:@[^/?#@]*)*)@")


def redact_query(query: str) -> str:
    """A query without ``?``, the values of sensitive parameters replaced."""
    # Nearly never is there one, and looking costs a tenth of replacing. A name with a percent sign is decoded by the servers, so
    # it means the same (RFC 3986, section 2.4).
    if "=" not in query or ("%" not in query and not _PARAMETER.search(query)):
        return query
    return replace_parameters(query, is_sensitive_parameter, lambda value: value and REDACTED)


def redact_userinfo(target: str) -> str:
    """A target in absolute form without its credentials: ``http://REDACTED:REDACTED@host/``, as OpenTelemetry has it."""
    return _USERINFO.sub(_credentials, target, count=1)


def replace_parameters(query: str, secret: Callable[[str], bool], replace: Callable[[str], str | None]) -> str:
    """A query without ``?`` in which the values of parameters whose names are secret are replaced; None takes the parameter away.

    Names stand behind ``&`` (URL Standard, application/x-www-form-urlencoded) or ``;`` (HTML 4.01, appendix B.2.2). A secret
    value reaches to the next ``&``, as most servers read it, so that nothing of it is left where one of them does.
    """
    query, hash_sign, fragment = query.partition("#")
    parameters = [_replaced(each, secret, replace) for each in query.split("&")]
    return "&".join(each for each in parameters if each is not None) + hash_sign + fragment


def _replaced(text: str, secret: Callable[[str], bool], replace: Callable[[str], str | None]) -> str | None:
    pieces = text.split(";")
    for place, piece in enumerate(pieces):
        name, equals, value = piece.partition("=")
        if secret(name):
            new = replace(";".join([value, *pieces[place + 1 :]]))
            if new is None:
                return ";".join(pieces[:place]) or None
            return ";".join([*pieces[:place], f"{name}={new}"]) if equals else text
    return text


def _credentials(match: re.Match[str]) -> str:
    both = f"{REDACTED}:{REDACTED}" if ":" in match[2] else REDACTED
    return f"{match[1]}{both}@"
