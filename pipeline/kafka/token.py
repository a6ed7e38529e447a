"""OAUTHBEARER: hands aiokafka a token at each login, from the pipeline file or from a file that something else keeps fresh."""

from collections.abc import Mapping

import anyio.to_thread

from pipeline.kafka.connection import SaslOptions


class TokenProvider:
    """What aiokafka asks for a token."""

    def __init__(self, options: SaslOptions) -> None:
        self._options = options

    async def token(self) -> str:
        """The token of this moment."""
        return await anyio.to_thread.run_sync(self._options.read_token)

    def extensions(self) -> Mapping[str, str]:
        """No SASL extensions."""
        return {}


def provider(options: SaslOptions) -> TokenProvider:
    """One that aiokafka takes: registered as its ``AbstractTokenProvider``."""
    from aiokafka.abc import AbstractTokenProvider  # noqa: PLC0415  start-up

    AbstractTokenProvider.register(TokenProvider)
    return TokenProvider(options)
