"""The server behind the page: uvicorn in a thread of its own, with an event loop of its own.

The pipeline's loop never waits for it. What the two threads share is Python's lock, for which this one asks seldom: its work is
bounded (``MAX_STREAMS`` pages at a time, so many rows each), and it rests after each piece.
"""

import asyncio
import errno
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.config.options import UiOptions
from pipeline.errors import ConfigError, Problem
from pipeline.live.view import View
from pipeline.telemetry.logs import ComponentLog

MISSING = "the page needs starlette and uvicorn, which are not installed: pip install 'httpipe[ui]'"

CLOSE_SECS = 5.0


def check_installed() -> None:
    """Raises ``ConfigError`` with what to install."""
    try:
        import starlette  # noqa: F401, PLC0415  an extra
        import uvicorn  # noqa: F401, PLC0415  likewise
    except ImportError as error:
        raise ConfigError([Problem("", MISSING)]) from error


class UiServer:
    """Bound at once, so that the link is known; answers between ``start`` and ``close``. Raises ``ConfigError``.

    ``names``: what the options are called where the user wrote them.
    """

    def __init__(self, view: View, options: UiOptions, names: tuple[str, str] = ("ui.listen", "ui.port")) -> None:
        check_installed()
        self._secret = options.token is not None
        self.token = options.token or secrets.token_urlsafe(32)
        self._socket = _bound(options.listen, options.port, names)
        self._listen = options.listen
        self._view = view
        self._thread = threading.Thread(target=self._serve, name="ui", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._started = threading.Event()

    @property
    def link(self) -> str:
        """Where to look. The token stands behind ``#``, which no browser sends to a server, and nobody logs.

        One that the user chose is not told.
        """
        port = self._socket.getsockname()[1]
        host = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._listen, self._listen)  # noqa: S104  only named
        address = f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{port}/"
        return address if self._secret else f"{address}#token={self.token}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._started.wait(CLOSE_SECS)

    def close(self) -> None:
        """Stop answering; pages are hung up on. Waits for the thread: call it from one that may wait. Safe twice."""
        if self._loop is not None and self._ending is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(CLOSE_SECS)
        self._socket.close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # noqa: BLE001  whatever fails here, the pipeline goes on without its page
            ComponentLog("ui").error("the page has failed and is no longer served", exc_info=error)
        finally:
            self._started.set()

    async def _run(self) -> None:
        import uvicorn  # noqa: PLC0415  an extra

        from pipeline.ui.app import make_app  # noqa: PLC0415  imports starlette
        from pipeline.ui.guard import Guard  # noqa: PLC0415
        from pipeline.ui.protocol import PatientProtocol  # noqa: PLC0415  imports uvicorn

        class Server(uvicorn.Server):
            """One whose signals are the pipeline's own."""

            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        app = Guard(make_app(self._view, self._ending), self.token, frozenset({self._listen.lower()}))
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            limit_concurrency=32,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16 << 10,
        )
        server = Server(config)
        adding = asyncio.create_task(self._add_up())
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        self._started.set()
        await self._ending.wait()
        server.should_exit = True
        adding.cancel()
        await serving

    async def _add_up(self) -> None:
        """Numbers of the last minutes are there whether or not somebody looks."""
        while True:
            more = await asyncio.to_thread(self._view.summary.update)
            await asyncio.sleep(0.05 if more else 0.5)


def _bound(listen: str, port: int, names: tuple[str, str]) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(listen or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(64)
        except OSError:
            found.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        named = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
        reason = getattr(error, "strerror", None) or str(error)
        place = f"{listen}, port {port}" if port else listen
        raise ConfigError([Problem(names[named], f"cannot listen on {place}: {reason}")]) from error
    return found
