"""As ``live``, in HTTP/2, by prior knowledge and then with TLS by probes: 64 connections, up to eight streams each.

Wanted: nothing is left out and nothing lost at 10,000 exchanges a second (``python -m benchmarks http2_live``).
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
    for tls, rates in ((False, (10_000, 20_000, None)), (True, (2_000, 5_000, 10_000))):
        print("TLS, by probes" if tls else "in clear, by packets")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with nginx(folder, http2=True, tls=tls):
                for rate in rates:
                    for tool in ("none", "httpipe"):
                        show(rate, tool, turn(tool, rate, folder, http2=True, tls=tls))


if __name__ == "__main__":
    main()
