"""The list and the events of a container engine on a unix socket, for what the real one cannot be made to do (tests/containers).

It answers as Podman 4.3 and the Docker Engine API say: chunked lines, ``since``, Go's names. It can be killed in the middle.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Container = dict[str, Any]


def container(id_: str, name: str, image: str = "registry.example:5000/shop/web:1.2", **labels: str) -> Container:
    """One as the list has it; ``__`` in the name of a label stands for a dot."""
    named = {label.replace("__", "."): value for label, value in labels.items()}
    return {"Id": id_, "Names": [f"/{name}"], "Image": image, "ImageID": "sha256:00", "Labels": named, "State": "running"}


class ContainerEngine:
    """``async with ContainerEngine(path) as engine:``, then ``start``, ``happens`` and ``die``."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.containers: dict[str, Container] = {}
        self.lists = 0
        self.refuse: tuple[int, str] | None = None
        self.refuse_events = False
        self.broken_list = b""
        self._server: asyncio.Server | None = None
        self._watchers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def watched(self) -> bool:
        """Whether somebody waits for events."""
        return bool(self._watchers)

    async def listen(self) -> None:
        """Begin, again."""
        self._server = await asyncio.start_unix_server(self._serve, self.socket)

    async def kill(self) -> None:
        """End, and every connection with it."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.socket.unlink(missing_ok=True)
        await self.break_off()

    async def break_off(self) -> None:
        """Reset every connection."""
        for writer in list(self._connections):
            writer.transport.abort()

    async def start(self, *started: Container) -> None:
        """They run."""
        for each in started:
            self.containers[each["Id"]] = each
            await self.happens("start", each)

    async def die(self, each: Container) -> None:
        """It runs no more."""
        del self.containers[each["Id"]]
        await self.happens("die", each)

    async def happens(self, action: str, each: Container) -> None:
        """An event of it."""
        said = {**each["Labels"], "image": each["Image"], "name": each["Names"][0].removeprefix("/")}
        event = {"Type": "container", "Action": action, "Actor": {"ID": each["Id"], "Attributes": said}, "time": 1}
        await self.says(json.dumps(event))

    async def says(self, line: str) -> None:
        """A line to whoever watches."""
        for writer in list(self._watchers):
            data = line.encode(errors="surrogateescape")
            writer.write(b"%x\r\n%b\n\r\n" % (len(data) + 1, data))
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = urlsplit(head.split(b" ")[1].decode())
                if target.path == "/events":
                    assert json.loads(parse_qs(target.query)["filters"][0]) == {"type": ["container"]}
                    assert int(parse_qs(target.query)["since"][0]) > 0
                    if self.refuse_events:
                        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nforbidden")
                        continue
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    self._watchers.add(writer)
                else:
                    self._list(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            self._watchers.discard(writer)
            writer.transport.abort()

    def _list(self, writer: asyncio.StreamWriter) -> None:
        self.lists += 1
        status, body = "200 OK", self.broken_list or json.dumps(list(self.containers.values())).encode()
        if self.refuse is not None:
            status, body = f"{self.refuse[0]} No", json.dumps({"message": self.refuse[1]}).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
