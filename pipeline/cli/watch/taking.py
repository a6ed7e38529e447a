"""What can be taken away: a request as a command, what is listed as a file. It says what came of it on the screen."""

from collections.abc import Callable, Sequence

from textual.app import App

from pipeline.api import Event, Exchange
from pipeline.codecs.text import visible
from pipeline.live.view import View


class Taking:
    """Of one view. Files are written in a thread, one at a time."""

    def __init__(self, app: App[None], view: View) -> None:
        self._app, self._view = app, view

    def copy_curl(self, event: Event | None) -> None:
        """To the terminal's clipboard (OSC 52)."""
        if not isinstance(event, Exchange):
            self._app.notify("Only an exchange can be copied as curl.", severity="warning", markup=False)
            return
        from pipeline.codecs.curl import curl  # noqa: PLC0415  only who copies pays for it

        command = curl(event)
        self._app.copy_to_clipboard(command)
        self._app.notify(visible(command)[:400], title="Copied", markup=False)

    def write(self, numbers: Sequence[int], ending: str) -> None:
        """These events, in a new file of that kind."""

        def made() -> tuple[str, str]:
            from pipeline.cli.watch.writing import write  # noqa: PLC0415  only who writes pays for it

            return write(self._view.store, numbers, ending)

        self._in_thread(made)

    def write_packets(self, numbers: Sequence[int]) -> None:
        """The packets of the connections of these events, in a new file."""
        packets = self._view.packets
        if packets is None:
            self._app.notify(self._view.without_packets, severity="warning", markup=False)
            return

        def made() -> tuple[str, str]:
            from pipeline.cli.watch.writing import write_packets  # noqa: PLC0415  only who writes pays for it

            return write_packets(self._view.store, packets, numbers)

        self._in_thread(made)

    def _in_thread(self, made: Callable[[], tuple[str, str]]) -> None:
        """Say which file there is then, and what is in it."""
        app = self._app

        def work() -> None:
            try:
                name, remark = made()
            except OSError as error:
                app.call_from_thread(app.notify, f"cannot write: {error.strerror}", severity="error", markup=False)
                return
            app.call_from_thread(app.notify, f"{name}: {remark}", title="Written", markup=False)

        app.run_worker(work, thread=True, exclusive=True, group="write")
