"""The OpenSSL that this Python's programs have."""

import subprocess
import sys
from functools import cache
from pathlib import Path

SHOW = "import ssl; print(next(line.split()[-1] for line in open('/proc/self/maps') if '/libssl' in line), end='')"


@cache
def libssl() -> Path:
    """The file that `ssl` maps in a process of its own.

    Into this one another package may have brought a second one, as psycopg does.
    """
    return Path(subprocess.run([sys.executable, "-c", SHOW], check=True, capture_output=True, text=True).stdout)
