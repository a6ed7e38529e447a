"""What the firewall needs of this host: for ``httpipe doctor``. Tried in a network namespace that nobody else is in."""

from threading import Thread

from pipeline.errors import CaptureError
from pipeline.prctl import enter_new_network
from pipeline.sources.bpf.host import Check
from pipeline.sources.gate.gate import Gate, Sizes
from pipeline.sources.gate.place import by_links

BY_LINKS = "can run, attached by tcx"
BY_FILTERS = 'can run, attached by clsact (no on_exit = "closed"; what kill -9 leaves: httpipe gate status)'


def checks() -> list[Check]:
    """One point; nothing of it is required to capture."""
    found: list[Check] = []
    thread = Thread(target=lambda: found.append(_try()))  # it alone enters the namespace, which goes with it
    thread.start()
    thread.join()
    return found


def _try() -> Check:
    try:
        gate = Gate(Sizes(ring_bytes=1 << 16, connections=64, parts=64))
    except CaptureError as error:
        return _cannot(error)
    way = BY_LINKS if by_links() else BY_FILTERS
    try:
        enter_new_network()
        gate.attach("lo")
    except OSError as error:
        way = f"its programs load; whether they can be attached was not tried: {error.strerror}"
    except CaptureError as error:
        return _cannot(error)
    finally:
        gate.close()
    return Check("firewall", ok=True, detail=way, required=False)


def _cannot(error: CaptureError) -> Check:
    return Check("firewall", ok=False, detail=f"cannot run: {str(error).splitlines()[0]}", remedy=error.remedy, required=False)
