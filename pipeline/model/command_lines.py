"""Command lines as text, without what is known to be a secret: names decide, as in ``secrets``.

Whoever wants more taken out names it in a ``redact`` transform, which looks into command lines as into other texts.
"""

import re

from pipeline.model.secrets import REDACTED, SENSITIVE_FIELDS, redact_query, redact_userinfo

_SECRET = re.compile(r"passw|passphrase|passwd|secret|token|credential|(?:api|access|private)[-_]?key", re.IGNORECASE)
"""In names of options and variables: ``--db-password``, ``AWS_SECRET_ACCESS_KEY=``."""

_NAMED = re.compile(r"(?P<name>-{0,2}[A-Za-z_][\w.-]*)=(?P<value>.*)", re.DOTALL)
_FIELD = re.compile(r"(?P<name>[A-Za-z0-9-]+):\s*(?P<value>.*)", re.DOTALL)
_CREDENTIALS = {"-u", "--user", "-U", "--proxy-user"}
_ATTACHED = re.compile(r"(-[uU][^:=/]+):")
"""Of curl and its like: ``name:password``."""


def command_line(raw: bytes) -> str:
    """Arguments as they lie in a process's memory, each with a zero behind it, parted by spaces."""
    return " ".join(redacted(raw.rstrip(b"\0").decode(errors="replace").split("\0")))


def redacted(arguments: list[str]) -> list[str]:
    """The arguments, with secrets replaced."""
    clean: list[str] = []
    before = ""
    for argument in arguments:
        clean.append(_behind(before, argument) if before else _alone(argument))
        before = argument
    return clean


def _behind(option: str, argument: str) -> str:
    """An argument that may be the value of the option before it."""
    if option in _CREDENTIALS and ":" in argument:
        return f"{argument.partition(':')[0]}:{REDACTED}"
    if option.startswith("-") and "=" not in option and _SECRET.search(option) and not argument.startswith("-"):
        return REDACTED
    return _alone(argument)


def _alone(argument: str) -> str:
    named = _NAMED.fullmatch(argument)
    if named:
        return f"{named['name']}={REDACTED if _SECRET.search(named['name']) else _alone(named['value'])}"
    field = _FIELD.fullmatch(argument)
    if field and field["name"].removeprefix("-H").lower() in SENSITIVE_FIELDS:
        return f"{field['name']}: {REDACTED}"
    attached = _ATTACHED.match(argument)
    if attached:
        return f"{attached[1]}:{REDACTED}"
    path, question_mark, query = argument.partition("?")
    return f"{redact_userinfo(path)}{question_mark}{redact_query(query)}"
