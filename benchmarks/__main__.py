"""``make bench``: runs the benchmarks named (default: all), each in a process of its own.

A benchmark is a module of this folder with a ``main()``; it prints a table with units and, where there is one, the
wanted number.
"""

import subprocess
import sys
from pathlib import Path

ORDER = (
    "startup", "codecs", "decode", "stages", "greedy", "loss", "transforms", "engine", "file_to_file", "peers",
    "handshakes", "live", "tls", "kernels", "kafka", "sinks", "isolation", "plugins", "owners", "websocket", "http2",
    "http2_live", "gate", "ui",
)  # fmt: skip


def main() -> int:
    """Run the benchmarks; the exit code is that of the worst."""
    here = Path(__file__).parent
    available = [name for name in ORDER if (here / f"{name}.py").exists()]
    names = sys.argv[1:] or available
    if unknown := set(names) - set(available):
        print(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(available)}")
        return 64
    worst = 0
    for name in names:
        print(f"\n== {name} ==", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
