"""httpipe in a pid namespace, and what it sees of itself and of its child: PORT. Prints the executables whose requests it saw."""

import json
import ssl
import subprocess
import sys
import urllib.request

import anyio
import anyio.to_thread
from mapped_libssl import libssl
from tls_recording import recording

from pipeline.sources.tls.config import TlsConfig

URL = f"https://127.0.0.1:{sys.argv[1]}"


def ask() -> None:
    """From this process, and from one that it starts."""
    urllib.request.urlopen(f"{URL}/itself", context=ssl._create_unverified_context()).read()  # noqa: S310, S323  our own server
    subprocess.run(["curl", "-sSk", "--http1.1", f"{URL}/child"], check=True, stdout=subprocess.DEVNULL)


async def main() -> None:
    """Two requests."""
    async with recording(TlsConfig(executables=("any",), files=(str(libssl()),))) as taken:
        await anyio.to_thread.run_sync(ask)
        await taken.until(lambda taken: len(taken.exchanges) >= 2)
    print(json.dumps(sorted((each.url_path, each.process_executable_name) for each in taken.exchanges)))


anyio.run(main)
