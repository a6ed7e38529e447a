"""Where the command `httpipe` begins: Ctrl-C during start-up ends it without a traceback.

In: the process. Out: its exit code. Importing takes a tenth of a second and more, long enough for somebody who typed the
wrong thing, and Python's own handler would raise KeyboardInterrupt in the middle of it. Until a subcommand is there
(``cli`` in ``cli/main.py`` then puts Python's handler back), the signal does what it does to any program: it ends it,
which a shell shows as 130. Nor does Python look for garbage until then: importing makes none, and looking costs 20 ms.
"""

import gc

from pipeline.cli.interruption import end_plainly


def main() -> None:
    """Run the command and leave with its exit code."""
    gc.disable()
    end_plainly()
    from pipeline.cli.main import main as command  # noqa: PLC0415  the import is what takes long

    command()
