"""As ``live``, in HTTP/2 by prior knowledge: 64 connections, up to eight streams each (``python -m benchmarks http2_live``).

Wanted: nothing is left out and nothing lost at 10,000 exchanges a second.
Needs root, nginx and h2load (nghttp2-client). Traffic goes to 127.0.0.1 only, for a few seconds a turn.
"""

import os
import tempfile
from pathlib import Path

from benchmarks.live import nginx, show, turn


def main() -> None:
    """Print the table."""
    if os.geteuid() != 0:
        raise SystemExit("needs root: it captures")
    print("  rate watcher   answered   p50_us   p99_us mach_us/x own_us/x  reported    shed    lost marked")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nginx(folder, http2=True):
            for rate in (10_000, 20_000, None):
                for tool in ("none", "httpipe"):
                    show(rate, tool, turn(tool, rate, folder, http2=True))


if __name__ == "__main__":
    main()
