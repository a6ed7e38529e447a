"""What all HTTP/2 connections of a decoder share."""

from pipeline.config.options import DecodeOptions
from pipeline.decode.content import Collectors
from pipeline.decode.http2.heads import HeadParser
from pipeline.decode.shared import Shared


class Context:
    """``requests`` and ``responses`` read heads, ``collector`` gives what keeps a body."""

    __slots__ = ("collector", "max_head", "requests", "response_ns", "responses", "shared")

    def __init__(self, options: DecodeOptions, shared: Shared) -> None:
        self.shared = shared
        self.max_head = options.max_head_bytes
        self.response_ns = int(options.response_timeout_secs * 1e9)
        self.collector = Collectors(options.bodies).collector
        self.requests = HeadParser(options.request_headers, request=True, most=self.max_head, keep_raw=shared.keep_heads)
        self.responses = HeadParser(options.asked_of_responses, request=False, most=self.max_head, keep_raw=shared.keep_heads)
