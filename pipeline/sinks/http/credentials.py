"""Who a sink says it is to a server: `auth`. Pure."""

import base64
import re
from collections.abc import Mapping
from typing import Self

from pydantic import ConfigDict, SecretStr, model_validator

from pipeline.api import Config

_VALUE = re.compile(r"[A-Za-z]+ [\x21-\x7e]+")
"""Of an Authorization field: the scheme and credentials without spaces (RFC 9110, section 11.4, more freely)."""


class AuthOptions(Config):
    """`auth`: a user with a password, or a token; none of them: no credentials are sent."""

    model_config = ConfigDict(hide_input_in_errors=True)

    user: str | None = None
    """User, for HTTP Basic authentication."""
    password: SecretStr | None = None
    """Password of the user; write `"${NAME}"` to take it from the environment."""
    token: SecretStr | None = None
    """Token, sent as `Authorization: Bearer`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("auth.user and auth.password belong together")
        if len(self.ways()) > 1:
            raise ValueError(f"{' and '.join(f'auth.{way}' for way in self.ways())} exclude each other")
        for way, value in self.ways().items():  # the library would quote the value
            if not _VALUE.fullmatch(value):
                raise ValueError(f"auth.{way} has characters that cannot be sent: spaces, or others than those of ASCII")
        return self

    def ways(self) -> Mapping[str, str]:
        """What is set, by the option that says so, each as the value of an Authorization field."""
        ways = {}
        if self.user is not None and self.password is not None:
            ways["user"] = f"Basic {encoded(f'{self.user}:{self.password.get_secret_value()}')}"
        if self.token is not None:
            ways["token"] = f"Bearer {self.token.get_secret_value()}"
        return ways

    def fields(self) -> dict[str, str]:
        """The header fields that say so."""
        return dict(zip(("authorization",), self.ways().values(), strict=False))


def encoded(text: str) -> str:
    """Text in base64 (RFC 7617, section 2.1: UTF-8)."""
    return base64.b64encode(text.encode()).decode()
