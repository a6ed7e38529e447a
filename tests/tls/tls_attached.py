"""Attaches to the library in a file, says so, and waits for its end: to be killed by a test."""

import os
import sys
import threading

from tls_hits import counting

from pipeline.sources.tls.probe import Target
from pipeline.sources.tls.targets.look import look

if __name__ == "__main__":
    with counting() as hits:
        [target] = look(os.open(sys.argv[1], os.O_RDONLY))
        assert isinstance(target, Target)
        hits.attacher.attach(sys.argv[1], target, 1)
        print("attached", flush=True)  # noqa: T201
        threading.Event().wait()
