"""Keys of a program that has the whole screen, and a terminal that is as it was when the program ends or is suspended.

``cbreak`` (termios(3)): a key comes without Enter and is not shown; Ctrl-C and Ctrl-Z still make signals. A daemon thread waits
for keys, because the main thread waits for the pipeline.
"""

import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from types import FrameType

from rich.live import Live


@contextlib.contextmanager
def full_screen(screen: Live, pressed: Callable[[str], None]) -> Iterator[None]:
    """Show ``screen`` and hand on every key, until the block ends: well, by Ctrl-C, or by SIGTERM, which is one here."""
    keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    saved = termios.tcgetattr(keys) if keys is not None else None

    def begin() -> None:
        if keys is not None:
            tty.setcbreak(keys, termios.TCSANOW)
        screen.start()

    def end() -> None:
        screen.stop()
        if keys is not None and saved is not None:
            termios.tcsetattr(keys, termios.TCSANOW, saved)

    def suspend(_number: int, _frame: FrameType | None) -> None:
        end()
        os.kill(os.getpid(), signal.SIGSTOP)  # goes on behind this line at SIGCONT
        begin()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        signal.signal(signal.SIGTSTP, suspend)
        if keys is not None:
            threading.Thread(target=_read, args=(keys, pressed), daemon=True).start()
        begin()
        yield
    finally:
        end()
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(keys: int, pressed: Callable[[str], None]) -> None:
    """Until the terminal is gone."""
    with contextlib.suppress(OSError):
        while key := os.read(keys, 1):
            pressed(key.decode("latin-1"))
