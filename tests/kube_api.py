"""The list and watch of pods of a Kubernetes API server, on a port of its own: pages, chunked lines, bookmarks, 410 Gone, tokens.

What it does follows "Kubernetes API Concepts" and what kube-apiserver 1.34 answers (``make test-kubernetes`` holds the same tests
against that one). It can be made slow, killed in the middle of a line, and forget what was before a version.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Pod = dict[str, Any]


def pod(  # noqa: PLR0913  what a pod consists of
    name: str,
    address: str = "",
    *,
    namespace: str = "shop",
    node: str = "node-1",
    containers: Mapping[str, str] | None = None,
    owner: tuple[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    phase: str = "Running",
    host_network: bool = False,
) -> Pod:
    """A pod as the server gives it; ``containers`` are ids by name, ``owner`` is kind and name."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}"}
    metadata |= {"labels": dict(labels)} if labels else {}
    metadata |= {"annotations": dict(annotations)} if annotations else {}
    if owner is not None:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": owner[0], "name": owner[1], "uid": "x", "controller": True}]
    spec: dict[str, Any] = {"nodeName": node, "containers": [{"name": each, "image": "i"} for each in containers or {}]}
    spec |= {"hostNetwork": True} if host_network else {}
    status: dict[str, Any] = {"phase": phase}
    status |= {"podIP": address, "podIPs": [{"ip": address}]} if address else {}
    if containers:
        status["containerStatuses"] = [
            {"name": each, "containerID": f"containerd://{id_}", "ready": True} for each, id_ in containers.items()
        ]
    return {"metadata": metadata, "spec": spec, "status": status}


class KubeApi:
    """``async with KubeApi() as api:``, then ``put`` and ``delete`` pods; ``url`` is where it is."""

    def __init__(self, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.token, self.tls = token, tls
        self.pods: dict[str, Pod] = {}
        self.version = 100
        self.forgotten = 0
        self.history: list[tuple[int, str, Pod]] = []
        self.requests: list[dict[str, str]] = []
        self.refuse: tuple[int, str] | None = None
        self.delay_secs = 0.0
        self.silent = False
        self.port = 0
        self.watching = self.ends = 0
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def kubeconfig(self) -> str:
        """A file that leads here; JSON is YAML."""
        user = {"token": self.token} if self.token else {}
        return json.dumps(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [{"name": "it", "cluster": {"server": self.url}}],
                "users": [{"name": "it", "user": user}],
            }
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Stop listening and reset every connection, wherever it is."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        async with self._changed:
            self._changed.notify_all()

    async def put(self, *pods: Pod) -> None:
        """New pods, or what they have become."""
        for each in pods:
            known = each["metadata"]["uid"] in self.pods
            await self._change("MODIFIED" if known else "ADDED", each)

    async def delete(self, *pods: Pod) -> None:
        """They are gone."""
        for each in pods:
            await self._change("DELETED", each)

    async def bookmark(self, by: int = 50) -> None:
        """Other objects changed; who watches is told how far the server is."""
        self.version += by
        async with self._changed:
            self.history.append((self.version, "BOOKMARK", {"kind": "Pod", "metadata": {}}))
            self._changed.notify_all()

    async def forget(self) -> None:
        """Compact: what was before now is not known any more, and nobody may watch from there."""
        self.forgotten = self.version
        self.history.clear()

    async def _change(self, kind: str, each: Pod) -> None:
        async with self._changed:
            self.version += 1
            uid = each["metadata"]["uid"]
            stored = {**each, "metadata": {**each["metadata"], "resourceVersion": str(self.version)}}
            if kind == "DELETED":
                self.pods.pop(uid, None)
            else:
                self.pods[uid] = stored
            self.history.append((self.version, kind, stored))
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode().split("\r\n")
                headers = dict(field.lower().split(": ", 1) for field in fields if ": " in field)
                await self._answer(urlsplit(line.split(" ")[1]).query, headers, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def _answer(self, query: str, headers: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        self.requests.append(asked)
        await asyncio.sleep(self.delay_secs)
        if self.refuse is not None:
            await self._status(writer, *self.refuse)
        elif self.token and headers.get("authorization") != f"bearer {self.token.lower()}":
            await self._status(writer, 401, "Unauthorized")
        elif asked.get("watch"):
            await self._watch(asked, writer)
        else:
            await self._list(asked, writer)

    async def _list(self, asked: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        at, version = 0, self.version
        if "continue" in asked:
            told, at = map(int, asked["continue"].split(":"))
            if told < self.forgotten:
                return await self._status(writer, 410, "The provided continue parameter is too old")
            version = told
        found = [each for each in self.pods.values() if _selected(each, asked)]
        until = at + int(asked.get("limit", 1000))
        metadata = {"resourceVersion": str(version)}
        if until < len(found):
            metadata |= {"continue": f"{version}:{until}", "remainingItemCount": str(len(found) - until)}
        await self._json(writer, 200, {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": found[at:until]})
        return None

    async def _watch(self, asked: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        since = int(asked["resourceVersion"])
        if since < self.forgotten:
            return await self._status(writer, 410, f"too old resource version: {since} ({self.forgotten})")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.watching += 1
        ends = self.ends
        try:
            while not writer.transport.is_closing():
                async with self._changed:
                    for version, kind, each in self.history:
                        if version > since and (kind == "BOOKMARK" or _selected(each, asked)) and not self.silent:
                            metadata = {**each["metadata"], "resourceVersion": str(version)}
                            _chunk(writer, json.dumps({"type": kind, "object": {**each, "metadata": metadata}}).encode() + b"\n")
                    since = self.version
                    await writer.drain()
                    await self._changed.wait()
                if ends != self.ends:
                    break
        finally:
            self.watching -= 1
        return None

    async def end_watches(self, line: Mapping[str, Any] | bytes | None = None, *, torn: bool = False) -> None:
        """End every watch as the server does: at its time, or with an error; ``torn``: in the middle of a line."""
        self.ends += 1
        for writer in list(self._connections):
            if line is not None:
                text = (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
                _chunk(writer, text[: len(text) // 2] if torn else text)
            if torn:
                await writer.drain()
                writer.transport.abort()
            else:
                writer.write(b"0\r\n\r\n")
        async with self._changed:
            self._changed.notify_all()

    async def _status(self, writer: asyncio.StreamWriter, code: int, message: str) -> None:
        await self._json(writer, code, {"kind": "Status", "status": "Failure", "message": message, "code": code})

    async def _json(self, writer: asyncio.StreamWriter, code: int, value: object) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()


def _selected(each: Pod, asked: Mapping[str, str]) -> bool:
    selector = asked.get("fieldSelector")
    return selector is None or selector == f"spec.nodeName={each['spec']['nodeName']}"


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
