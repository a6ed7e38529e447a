"""Make the captures of ``tests/replay/captures/websocket`` again: real programs on loopback, in a namespace of its own.

    sudo python tests/replay/make_websocket.py [NAME ...]

Needs tcpdump, node 20 or later with npm's `ws`, and an interpreter with `websockets` (17 made these). What is expected of each
capture is what both ends said, in their order; nothing here knows httpipe.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from make_tls import PORT, Capture
from own_namespace import INSIDE, enter_namespace
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

HERE = Path(__file__).parent
CAPTURES = HERE / "captures/websocket"
URL = f"ws://127.0.0.1:{PORT}/talk?room=1"
TEXTS = ["short", "a longer text that repeats, that repeats, that repeats", "grüße ☕", "", "x" * 70_000]
NODE = f"""
const socket = new WebSocket("{URL}");
let count = 0;
socket.onopen = () => {{ socket.send("from node"); socket.send(new Uint8Array([0, 255, 1])); }};
socket.onmessage = () => {{ if (++count === 2) socket.close(1000, "done"); }};
"""
WS = f"""
const {{WebSocketServer, WebSocket}} = require("ws"), perMessageDeflate = OPTIONS;
const server = new WebSocketServer({{port: {PORT}, host: "127.0.0.1", perMessageDeflate}}, () => {{
  const client = new WebSocket("{URL}", {{perMessageDeflate}});
  client.on("open", () => {{
    for (const text of ["one", LONG, "one", LONG]) client.send(text);
    client.send("part one, ", {{fin: false}}); client.send("part two, ", {{fin: false}}); client.ping(); client.send("end");
    client.send(Buffer.alloc(66000));
    let count = 0;
    client.on("message", () => {{ if (++count === 6) client.close(4321, "bye"); }});
  }});
  client.on("close", () => server.close());
}});
server.on("connection", socket => socket.on("message", (data, binary) => socket.send(data, {{binary}})));
"""
Said = dict[str, Any]


class Truth:
    """What was said, by whom: one list for each side, in its order."""

    def __init__(self) -> None:
        self.said: dict[str, list[Said]] = {"client": [], "server": []}

    def message(self, sender: str, data: str | bytes, fragments: int = 1) -> None:
        """A message."""
        text = data if isinstance(data, str) else base64.b64encode(data).decode()
        opcode = "text" if isinstance(data, str) else "binary"
        times = len(text) if len(set(text)) == 1 else 1
        self.said[sender].append(
            {"opcode": opcode, "content": text[: len(text) // times], "times": times, "fragments": fragments}
        )

    def close(self, sender: str, code: int, reason: str = "", pings: int = 0, pongs: int = 0) -> None:
        """The end of a direction."""
        self.said[sender].append({"opcode": "close", "code": code, "reason": reason, "pings": pings, "pongs": pongs})


async def send(socket: ClientConnection | ServerConnection, truth: Truth, sender: str, data: str | bytes) -> None:
    """Say it, and note it."""
    truth.message(sender, data)
    await socket.send(data)


async def talk(client: ClientConnection, server: ServerConnection, truth: Truth) -> None:
    """Texts both ways, bytes, fragments, pings, and a close with a reason."""
    for text in TEXTS:
        await send(client, truth, "client", text)
        assert await server.recv() == text
        await send(server, truth, "server", text.upper())
        await client.recv()
    await send(server, truth, "server", bytes(range(256)))
    await client.recv()
    parts = ["one ", "two ", "three ", "one two three"]
    truth.message("client", "".join(parts), len(parts) + 1)
    await client.send(iter(parts))  # the library ends such a message with an empty frame
    await server.recv()
    await (await client.ping())
    await (await server.ping())
    await (await server.ping())
    truth.close("client", 4001, "enough", pings=1, pongs=2)
    truth.close("server", 4001, "enough", pings=2, pongs=1)
    await client.close(4001, "enough")


async def reset(client: ClientConnection, server: ServerConnection, truth: Truth) -> None:
    """A client that goes without a close frame."""
    await send(client, truth, "client", "before")
    await server.recv()
    truth.close("client", 1006)
    truth.close("server", 1006)
    client.transport.abort()
    await server.wait_closed()


async def with_python(
    run: Callable[[ClientConnection, ServerConnection, Truth], Awaitable[None]], truth: Truth, deflate: tuple[bool, bool] | None
) -> None:
    """Both ends are the library's; ``deflate``: whether the client's and the server's messages refer to none before them."""
    server_side: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handler(socket: ServerConnection) -> None:
        server_side.set_result(socket)
        await over.wait()

    client_resets, server_resets = deflate or (False, False)
    options = {"client_no_context_takeover": client_resets, "server_no_context_takeover": server_resets}
    offer = [ClientPerMessageDeflateFactory(**options)] if deflate else None
    answer = [ServerPerMessageDeflateFactory(**options)] if deflate else None
    quiet: Any = {"compression": None, "ping_interval": None, "max_size": None}
    async with serve(handler, "127.0.0.1", PORT, extensions=answer, **quiet):
        client = await connect(URL, extensions=offer, **quiet)
        await run(client, await server_side, truth)
        over.set()


async def with_node(truth: Truth) -> None:
    """Node's WebSocket, which is undici's, as the client."""
    truth.message("client", "from node")
    truth.message("client", bytes([0, 255, 1]))
    truth.message("server", "from node")
    truth.message("server", bytes([0, 255, 1]))
    truth.close("client", 1000, "done")
    truth.close("server", 1000, "done")

    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    async with serve(echo, "127.0.0.1", PORT, ping_interval=None):
        process = await asyncio.create_subprocess_exec("node", "--no-warnings", "--experimental-websocket", "-e", NODE)
        assert await process.wait() == 0


async def with_ws(truth: Truth, options: str) -> None:
    """Both ends are the library `ws` of npm (NODE_PATH says where); ``options`` are those of its compression."""
    long = "abc" * 200
    for text in ("one", long, "one", long):
        truth.message("client", text)
        truth.message("server", text)
    for sender, fragments in (("client", 3), ("server", 1)):
        truth.message(sender, "part one, part two, end", fragments)
        truth.message(sender, bytes(66_000))
    truth.close("client", 4321, "bye", pings=1)
    truth.close("server", 4321, "bye", pongs=1)
    code = WS.replace("OPTIONS", options).replace("LONG", json.dumps(long))
    process = await asyncio.create_subprocess_exec("node", "-e", code)
    assert await process.wait() == 0


CASES: dict[str, Callable[[Truth], Awaitable[None]]] = {
    "python-plain": lambda truth: with_python(talk, truth, None),
    "python-deflate": lambda truth: with_python(talk, truth, (False, False)),
    "python-no-takeover": lambda truth: with_python(talk, truth, (True, True)),
    "python-client-resets": lambda truth: with_python(talk, truth, (True, False)),
    "python-abort": lambda truth: with_python(reset, truth, (False, False)),
    "node-python": with_node,
    "ws-plain": lambda truth: with_ws(truth, "false"),
    "ws-small-windows": lambda truth: with_ws(truth, "{threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 9}"),
    "ws-no-takeover": lambda truth: with_ws(
        truth, "{threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true}"
    ),
}


def make(names: Iterable[str]) -> None:
    """A capture and its truth each."""
    for name in names:
        truth, path = Truth(), CAPTURES / f"{name}.pcap"
        with Capture(path):
            asyncio.run(CASES[name](truth))
            time.sleep(1)  # tcpdump may be behind
        (CAPTURES / f"{name}.json").write_text(json.dumps(truth.said, indent=1, ensure_ascii=False) + "\n")
        sys.stdout.write(f"{name}: {path.stat().st_size} bytes\n")


def main() -> None:
    """Those that are named, or all."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    CAPTURES.mkdir(exist_ok=True)
    make(sys.argv[1:] or CASES)


if __name__ == "__main__":
    main()
