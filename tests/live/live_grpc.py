"""gRPC on loopback: a script, so that it can run in a namespace. Prints what each call sent, as JSON: the truth of a test.

Sizes are those of messages without their prefix. Calls run one after the other, but for the last ones, which run at once.
"""

import json
import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc

SMALL, LARGE = [10] * 50, [0, 1, 100, 100_000, 3_000_000, 7, 0, 40_000]
CALLS = {
    "unary": ([100], [200]),
    "client": (LARGE, [3]),
    "server": ([3], LARGE),
    "bidi": (LARGE, SMALL),
    "many": (SMALL * 10, LARGE * 3),
}
AT_ONCE = 20
"""Of ``bidi``: more streams than the kernel remembers, all of them with large messages."""


def of_sizes(sizes: list[int]) -> Iterator[bytes]:
    """Messages."""
    return (bytes([65 + place % 26]) * size for place, size in enumerate(sizes))


class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers as ``CALLS`` says, once the client has said all."""

    def service(self, handler_call_details: Any) -> Any:
        """Any method."""
        name = handler_call_details.method.rpartition("/")[2]

        def answer(asked: Iterator[bytes], _: object) -> Iterator[bytes]:
            assert [len(each) for each in asked] == CALLS[name][0]
            yield from of_sizes(CALLS[name][1])

        return grpc.stream_stream_rpc_method_handler(answer)


def main() -> None:
    """Serve, call, print."""
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_concurrent_streams", 1000)]
    server = grpc.server(futures.ThreadPoolExecutor(AT_ONCE), handlers=[Handler()], options=limits)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
        for name, (asked, answered) in CALLS.items():
            call = channel.stream_stream(f"/test.Sizes/{name}")
            assert [len(each) for each in call(of_sizes(asked))] == answered
        with futures.ThreadPoolExecutor(AT_ONCE) as pool:
            call = channel.stream_stream("/test.Sizes/bidi")
            for done in [pool.submit(lambda: list(call(of_sizes(CALLS["bidi"][0])))) for _ in range(AT_ONCE)]:
                done.result()
    server.stop(1).wait()
    sys.stdout.write(json.dumps([[name, *CALLS[name]] for name in (*CALLS, *["bidi"] * AT_ONCE)]))


if __name__ == "__main__":
    main()
