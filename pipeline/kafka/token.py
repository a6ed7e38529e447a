"""OAUTHBEARER: hands aiokafka a token at each login, from the pipeline file or from a file that something else keeps fresh."""

from collections.abc import Callable, Mapping

import anyio.to_thread


class TokenProvider:
    """What aiokafka asks for a token. ``read`` may block: it is called in a thread."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    async def token(self) -> str:
        """The token of this moment."""
        return await anyio.to_thread.run_sync(self._read)

    def extensions(self) -> Mapping[str, str]:
        """No SASL extensions."""
        return {}


def provider(read: Callable[[], str]) -> TokenProvider:
    """One that aiokafka takes: registered as its ``AbstractTokenProvider``."""
    from aiokafka.abc import AbstractTokenProvider  # noqa: PLC0415  start-up

    AbstractTokenProvider.register(TokenProvider)
    return TokenProvider(read)
