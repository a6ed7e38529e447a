"""How a pipeline is run: what the command line decides, beside what the pipeline file says."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from pipeline.delivery.clock import Clock
from pipeline.packets.store import PacketStore

if TYPE_CHECKING:
    from pipeline.live.view import View


class RunOptions(msgspec.Struct, frozen=True):
    """Switches and callbacks.

    ``dry_run``     every sink is replaced by a counter.
    ``for_secs``       stop after so long, as if by SIGTERM: a signal after that is the second one.
    ``require_healthy``  end the run at once when a sink cannot take events.
    ``ready_file``     created when ``on_ready`` is called, removed at the end.
    ``handle_signals`` SIGINT and SIGTERM drain, a second one stops at once, SIGHUP reloads. Only in the main thread.
    ``control``        listen on the control socket, for `top` and `tap`.
    ``configure_logs`` set up logging from the plan.
    ``on_ready``       called when capturing has begun and every required sink has been opened.
    ``on_waiting``     ``(sink ids)``: those that have not been opened yet although capturing has begun; called when they change.
    ``on_page``        ``(link)``: where a browser finds the page of ``[ui]``.
    ``on_live``        ``(what the run shows, stop)``: before anything is opened, for a view in another thread; ``stop`` ends
                       the run without draining, once, from any thread. ``keep`` is how many events the view has.
    ``stay``           with a page: when the input has ended, show it until a signal comes.
    ``packets``        where packets are kept for sinks and views that ask for them.
    ``on_progress``    ``(source id, bytes done, bytes in total, events so far)`` from sources that read bytes; 0 in total where
                       nobody knows.
    """

    dry_run: bool = False
    for_secs: float | None = None
    require_healthy: bool = False
    ready_file: str | None = None
    handle_signals: bool = True
    control: bool = True
    configure_logs: bool = True
    on_ready: Callable[[], None] = lambda: None
    on_waiting: Callable[[Sequence[str]], None] = lambda _ids: None
    on_page: Callable[[str], None] = lambda _link: None
    on_live: "Callable[[View, Callable[[], None]], None] | None" = None
    keep: int = 100_000
    stay: bool = False
    on_progress: Callable[[str, int, int, int], None] = lambda _id, _done, _total, _events: None
    packets: PacketStore = msgspec.field(default_factory=PacketStore)
    clock: Clock = msgspec.field(default_factory=Clock)
