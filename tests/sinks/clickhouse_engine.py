"""A current ClickHouse for the tests: its own engine, as chdb has it, behind an HTTP interface of ours.

``python tests/sinks/clickhouse_engine.py EXTENSION FOLDER PORT``: statements go to the engine as they are, its answers and errors
come back as they are. Settings of the address become the statement's. Each insert is a line of ``FOLDER.inserts``; where
``FOLDER.dies`` names its number (from 0), the process kills itself when the rows are stored and before it answers.
``FOLDER.auth`` may hold the only Authorization field that is let in.
"""

import gzip
import importlib.util
import json
import os
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit


def engine(extension: str) -> Any:
    """The compiled module, without the Python package around it, which wants pandas."""
    spec = importlib.util.spec_from_file_location("_chdb", extension)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def statement(query: str, settings: dict[str, str], body: bytes) -> bytes:
    """What the engine is given."""
    if settings:
        stated = ", ".join(f"{name} = '{value}'" for name, value in settings.items())
        query = re.sub(r" FORMAT (?=\w+$)", f" SETTINGS {stated} FORMAT ", query)
    return query.encode() + b"\n" + body if query else body


def decoded(body: bytes, encoding: str) -> bytes:
    """As the server does it."""
    match encoding:
        case "gzip":
            return gzip.decompress(body)
        case "zstd":
            from pipeline.codecs.zstd import zstd  # noqa: PLC0415  the run-time's own

            return zstd.decompress(body)
        case _:
            return body


def main(extension: str, folder: str, port: int) -> None:
    """Serve until killed."""
    connection = engine(extension).connect(folder)
    lock, inserts = Lock(), Path(f"{folder}.inserts")

    def told(name: str) -> str:
        file = Path(f"{folder}.{name}")
        return file.read_text() if file.exists() else ""

    def run(query: str, settings: dict[str, str], body: bytes) -> tuple[int, bytes]:
        with lock:
            inserting = query.startswith("INSERT")
            number = len(told("inserts").splitlines())
            if inserting:
                with inserts.open("a") as out:
                    out.write(json.dumps({"rows": body.count(b"\n"), **settings}) + "\n")
            try:
                given = connection.query(statement(query, settings, body), "TSV").bytes()
            except RuntimeError as error:
                return 500, str(error).encode()
            if inserting and str(number) in told("dies").split():
                os.kill(os.getpid(), signal.SIGKILL)
            return 200, given

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """A statement."""
            body = self.rfile.read(int(self.headers["content-length"]))
            settings = dict(parse_qsl(urlsplit(self.path).query))
            query = settings.pop("query", "")
            if told("auth") not in {"", self.headers.get("authorization", "")}:
                status, said = 403, b"Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)"
            else:
                status, said = run(query, settings, decoded(body, self.headers.get("content-encoding", "")))
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("listening", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
