"""`httpipe watch` in a real terminal (tmux), by keys: its screens at three sizes are those of ``screens/``.

``python -m tests.watch.test_terminal`` writes them again; look at what has changed.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.test_hostile import capture_of
from tests.watch.screen import HTTPIPE, ROOT, WAIT_SECS, Screen

pytestmark = pytest.mark.slow

SIZES = ((80, 24), (120, 40), (200, 50))
CAPTURE = "examples/demo.pcap"
SCREENS = Path(__file__).parent / "screens"
DONE = "ended  ·  22 events"
HERE = ["env", "-C", str(ROOT), str(HTTPIPE), "watch", "-r", CAPTURE]
WATCH = [str(HTTPIPE), "watch", "-r", str(ROOT / CAPTURE)]


def tour(screen: Screen) -> Iterator[tuple[str, list[str]]]:
    """What is pressed, then the name of the screen and some of what must be there before it is compared."""
    screen.shows(DONE)
    yield "exchanges", [DONE, "BREW"]
    screen.press("Home", "Down", "Down", "Down", "Enter")
    yield "details", ["GET 200", "api/items?limit=40", "request and wait"]
    screen.press("Escape")
    screen.shows(DONE)
    screen.press("/")
    screen.type("status >= 500 and statsu")
    yield "wrong", ['did you mean "']
    screen.press("C-u")
    screen.shows("Tab completes")  # it is empty: a key that is bound takes longer than letters do
    screen.type("status >= 400")
    screen.shows("status >= 400")
    screen.press("Enter")
    yield "filtered", ["5 of 22", "filter: status >= 400"]
    screen.press("Escape")
    screen.shows(DONE)
    screen.press("3")
    yield "endpoints", ["GET shop.example/api/items/{id}", "DELETE"]
    screen.press("4")
    yield "hosts", ["192.0.2.77", "198.51.100.80:80"]
    screen.press("?")
    yield "help", ["quit at once"]
    screen.press("Escape")


def expected(name: str, columns: int, rows: int) -> Path:
    """The file of a screen."""
    return SCREENS / f"{name}-{columns}x{rows}.txt"


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_every_view_fits_on_the_terminal(columns: int, rows: int) -> None:
    """At each size every screen is the one that was looked at."""
    with Screen(f"tour-{columns}", HERE, columns, rows) as screen:
        for name, parts in tour(screen):
            screen.shows(*parts)
            wanted = expected(name, columns, rows).read_text()
            assert screen.wait(lambda text, wanted=wanted: text == wanted) == wanted  # type: ignore[misc]


def test_q_ends_it_at_once_and_the_terminal_is_as_it_was() -> None:
    """The summary stands where the prompt would; the exit code is 0."""
    with Screen("quit", WATCH, 80, 24) as screen:
        screen.shows(DONE)
        screen.press("q")
        assert "22 exchanges seen" in screen.shows("ENDED 0")


@pytest.mark.parametrize("before", [[], ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]], ids=["told", "not told"])
def test_it_ends_with_its_terminal(before: list[str]) -> None:
    """Nothing is left that looks for keys where there is no terminal any more."""
    with Screen("closed", [*before, *WATCH], 80, 24) as screen:
        screen.shows(DONE)
        process = Path(f"/proc/{screen.pid()}")
        screen.close()
        end = time.monotonic() + WAIT_SECS
        while process.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not process.exists()


def test_without_colour_there_is_none() -> None:
    """NO_COLOR leaves bold, reverse and underline."""
    with Screen("plain", WATCH, 80, 24, NO_COLOR="1") as screen:
        screen.shows(DONE, "BREW")
        codes = {code for part in screen.coloured().split("\x1b[")[1:] for code in part.partition("m")[0].split(";")}
        assert codes <= {"", "0", "1", "2", "4", "7", "39", "49"}, codes


def test_nothing_that_peers_send_commands_the_terminal(tmp_path: Path) -> None:
    """As path, host, header, reason or body, in any view and in details: escape sequences are shown, and do nothing."""
    capture = tmp_path / "hostile.pcap"
    evil = ("\x1b]0;owned\x07", "\x1b[2J\x1b[31;5mred", "\x9b2J\x9d0;owned\x9c", "\x1b]52;c;b3duZWQ=\x07", "\x1bc\u202eevil\r")
    capture_of(evil, capture)
    with Screen("hostile", [str(HTTPIPE), "watch", "-r", str(capture), "--bodies", "4KiB"], 120, 40) as screen:
        screen.shows("ended  ·  5 events")
        title = screen.title()
        screen.press("Home")
        screen.press("Enter")
        for number in range(len(evil)):
            screen.shows(f"X-{number}: ", "Response")
            screen.press("Right")
        screen.press("Escape")
        for key, heading in (("3", "ENDPOINT"), ("4", "CLIENT"), ("5", "SOURCES"), ("1", "METHOD")):
            screen.shows("q quit  ? help")
            screen.press(key)
            screen.shows(heading)
        assert "\\x1b]0;owned\\x07" in screen.text()
        assert screen.title() == title
        codes = {part.partition("m")[0] for part in screen.coloured().split("\x1b[")[1:]}
        assert all(code not in codes for code in ("31;5", "5"))


def test_a_capture_may_come_through_a_pipe() -> None:
    """Keys are read from the terminal then."""
    shell = f"cat {ROOT / CAPTURE} | {HTTPIPE} watch -r -"
    with Screen("pipe", ["sh", "-c", shell], 80, 24) as screen:
        screen.shows(DONE)
        screen.press("q")
        screen.shows("ENDED 0")


def test_another_process_is_watched_by_its_control_socket(tmp_path: Path) -> None:
    """--attach shows what passes there from now on; q leaves it running."""
    fifo = tmp_path / "capture"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    config = tmp_path / "edge.toml"
    config.write_text(
        f'[process]\ncontrol_socket = "{tmp_path}/httpipe.sock"\n[sources.http]\ntype = "pcap"\npath = "{fifo}"\n'
        '[sinks.out]\ntype = "null"\ninputs = ["http"]\n'
    )
    with subprocess.Popen([str(HTTPIPE), "run", "-q", str(config)], stderr=subprocess.PIPE) as run, fifo.open("wb") as capture:
        data = (ROOT / CAPTURE).read_bytes()
        capture.write(data[:24])  # the file's header
        capture.flush()
        environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
        with Screen("attach", [str(HTTPIPE), "watch", "--attach", str(config)], 80, 24, **environment) as screen:
            screen.shows("edge.toml", "0 events")
            capture.write(data[24:])
            capture.close()
            screen.shows("22 events", "ended", "BREW")
            screen.press("q")
            screen.shows("ENDED 0")
        assert run.wait(30) == 0


def main() -> None:
    """Write the screens again."""
    for columns, rows in SIZES:
        with Screen(f"make-{columns}", HERE, columns, rows) as screen:
            for name, parts in tour(screen):
                screen.shows(*parts)
                before = ""
                while (text := screen.text()) != before:  # the same twice, half a second apart
                    before = text
                    subprocess.run(["sleep", "0.5"], check=True)
                expected(name, columns, rows).write_text(text)


if __name__ == "__main__":
    main()
