"""What Ctrl-C does to the command while nothing is there yet, or no longer, that could answer it in words."""

import signal


def end_plainly() -> None:
    """From now on Ctrl-C ends the process as any other, not by an exception. Where it is ignored, as under nohup, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
