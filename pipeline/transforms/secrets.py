"""What a secret looks like in text, and what is put in its place. Linear-time patterns; nothing here knows an event."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pipeline.expressions.patterns import regex, regex_test

Action = Literal["mask", "hash", "remove"]
PatternName = Literal["card_number", "bearer_token", "jwt", "api_key", "email"]

MASK = "REDACTED"

HASH_BYTES = 12
"""Of HMAC-SHA-256: 96 bits tell any two values apart, and are short enough to read."""

PATTERNS: Mapping[PatternName, str] = {
    # ISO/IEC 7812: 13 to 19 digits, in groups or not; the check digit decides (see `is_card_number`).
    "card_number": r"\b(?:[0-9][ -]?){12,18}[0-9]\b",
    # RFC 6750, section 2.1; Basic credentials have the same form (RFC 9110, section 11.2).
    "bearer_token": r"(?i:\b(?:bearer|basic)(?: |%20|\+)+[A-Za-z0-9._~+/%-]{8,}=*)",
    # RFC 7519: a base64url-encoded JSON object begins with eyJ.
    "jwt": r"\beyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*",
    # Prefixes that AWS, GitHub, GitLab, Slack, Stripe and Google document for their keys.
    "api_key": r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|(?:gh[opsur]|github_pat|glpat|xox[abposr]|[sr]k_(?:live|test))[_-][A-Za-z0-9_-]{10,}|AIza[A-Za-z0-9_-]{35})",
    "email": r"[A-Za-z0-9._%+-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
}


def is_card_number(text: str) -> bool:
    """Whether the digits satisfy Luhn's check (ISO/IEC 7812-1, annex B): one in ten numbers does, all card numbers do."""
    digits = [ord(char) - 48 for char in text if char.isdigit()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def replacement(action: Action, key: str) -> Callable[[str], str]:
    """What is put in the place of a secret; the empty text for ``remove``."""
    if action == "hash":
        secret = key.encode()
        return lambda text: "hmac:" + hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256")[:HASH_BYTES].hex()
    constant = MASK if action == "mask" else ""
    return lambda _text: constant


class Finder:
    """Finds secrets in texts and replaces them."""

    def __init__(self, names: Sequence[PatternName], regexes: Sequence[str], replace: Callable[[str], str]) -> None:
        self._replace = replace
        self._each = [(regex(PATTERNS[name]), is_card_number if name == "card_number" else None) for name in names]
        self._each += [(regex(pattern), None) for pattern in regexes]
        # One pass tells that there is nothing, which is nearly always so. (?m): the texts are joined by line ends.
        together = "|".join(f"(?:{pattern})" for pattern in (*(PATTERNS[name] for name in names), *regexes))
        self.suspects = regex_test(f"(?m:{together})")
        """Whether a secret may be in a text, or in one of several joined by line ends."""

    def without_secrets(self, text: str) -> str:
        """The text with every secret replaced."""
        if not self.suspects(text):
            return text
        data = text.encode("utf-8", "replace")
        for pattern, check in self._each:
            data = self._replaced(pattern, check, data)
        return data.decode("utf-8", "replace")

    def _replaced(self, pattern: Any, check: Callable[[str], bool] | None, data: bytes) -> bytes:  # noqa: ANN401  the engine has no types
        pieces: list[bytes] = []
        last = 0
        for match in pattern.finditer(data):
            found = match.group().decode("utf-8", "replace")
            if not found or (check is not None and not check(found)):
                continue
            pieces += [data[last : match.start()], self._replace(found).encode()]
            last = match.end()
        return b"".join([*pieces, data[last:]]) if pieces else data
