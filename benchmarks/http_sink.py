"""What sending to a web server costs: the `http` sink against httpx alone with bodies that are made already, in one run.

The server is a process of its own and only counts bytes, so ``events/CPU s`` is the client's. The aim: encoding and the sink cost
no more than sending does.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import httpx

from pipeline.api import Context
from pipeline.codecs.registry import codec
from pipeline.sinks.http.sink import HttpSink, HttpSinkConfig
from pipeline.testing.contract import ordinary_events

REQUESTS = 400
ROUNDS = 3
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


async def serve() -> None:
    """Say yes to every request; the port is the first line of standard output."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def per_cpu_second(send: Callable[[], Awaitable[object]], size: int) -> float:
    """Events a second of this process's CPU time, the best of some rounds of requests with ``size`` events."""
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REQUESTS):
            await send()
        best = max(best, REQUESTS * size / (time.process_time() - began))
    return best


async def measure(port: int) -> None:
    """The table."""
    url = f"http://127.0.0.1:{port}/"
    print(f"{'events a request':>18}{'httpx alone':>16}{'http sink':>16}{'gzip':>16}   (events/CPU s)")
    for size in (1, 100, 500):
        events = ordinary_events(0, size)
        body = bytes(codec("json").encode_batch(events))
        rates = []
        async with httpx.AsyncClient() as client:
            rates.append(await per_cpu_second(partial(client.post, url, content=body), size))
        for compression in ("none", "gzip"):
            sink = HttpSink(HttpSinkConfig.model_validate({"url": url, "compression": compression}), Context("bench"))
            await sink.open()
            rates.append(await per_cpu_second(partial(sink.write, events), size))
            await sink.aclose()
        print(f"{size:>18,}" + "".join(f"{rate:>16,.0f}" for rate in rates))


def main() -> None:
    """One server, every client."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.http_sink", "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            asyncio.run(measure(int(server.stdout.readline())))
        finally:
            server.kill()


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] == ["serve"] else main()
