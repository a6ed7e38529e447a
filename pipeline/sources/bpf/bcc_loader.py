"""Compile the same C files on this host with bcc, and load it. The one home of bcc.

Comes in: the C files of ``pipeline/bpf``. Goes out: a ``Program`` or ``CaptureError``. bcc comes with the system,
never from PyPI (``bcc`` there is an unrelated package): its folder in the system's dist-packages is made importable
by itself, so that a virtual environment sees bcc and nothing else.
"""

import importlib.util
import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType

from pipeline.errors import CaptureError
from pipeline.sources.bpf import program as programs
from pipeline.sources.bpf import rights

FOLDERS = (
    Path("/usr/lib/python3/dist-packages/bcc"),  # Debian, Ubuntu
    *(Path(f"/usr/lib/python3.{minor}/site-packages/bcc") for minor in range(15, 8, -1)),  # Fedora, Arch
)
INSTALL = (
    "install it: apt install python3-bpfcc linux-headers-$(uname -r) (Debian, Ubuntu), "
    "dnf install python3-bcc kernel-devel (Fedora)"
)

_log = logging.getLogger(__name__)


def find() -> Path | None:
    """The system's bcc."""
    return next((folder for folder in FOLDERS if (folder / "__init__.py").is_file()), None)


def module() -> ModuleType:
    """The bcc module; raises ``CaptureError`` where it is missing or is another package of that name."""
    loaded = sys.modules.get("bcc")
    if loaded is None or not hasattr(loaded, "BPF"):
        loaded = _import()
    return loaded


def _import() -> ModuleType:
    folder = find()
    if folder is None:
        raise CaptureError("bcc is not on this host", remedy=INSTALL)
    spec = importlib.util.spec_from_file_location("bcc", folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise CaptureError(f"{folder} is not a Python package", remedy=INSTALL)
    bcc = importlib.util.module_from_spec(spec)
    other = sys.modules.pop("bcc", None)
    sys.modules["bcc"] = bcc
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # since 3.12 Python warns of escapes in its patterns
            spec.loader.exec_module(bcc)
    except (ImportError, OSError, AttributeError, SyntaxError) as error:
        del sys.modules["bcc"]
        if other is not None:
            sys.modules["bcc"] = other
        raise CaptureError(f"bcc cannot be imported from {folder}: {error}", remedy=INSTALL) from error
    if not hasattr(bcc, "BPF"):
        raise CaptureError(f"{folder} is not the BPF Compiler Collection", remedy=INSTALL)
    return bcc


def load(sizes: programs.Sizes, at: programs.At = "interfaces") -> programs.Program:
    """Compile and load; takes seconds. Nothing is attached yet."""
    programs.prepare()
    bcc = module()
    flags = [
        f"-iquote{programs.SOURCE.parent}",
        "-DHTTPIPE_BCC",
        f"-DHTTPIPE_RING_BYTES={sizes.ring_bytes}",
        f"-DHTTPIPE_CONNECTIONS={sizes.max_connections}",
        f"-DHTTPIPE_OWNERS={sizes.owners}",
        f"-DHTTPIPE_PLACES={programs.PLACES[at]}",
        "-Wno-macro-redefined",
        *(["-DHTTPIPE_BCC_SOCKETS"] if at == "sockets" else []),
    ]
    try:
        compiled = bcc.BPF(text=programs.SOURCE.read_bytes(), cflags=flags)
    except Exception as error:  # bcc raises bare Exception
        raise CaptureError(
            f"bcc cannot compile the BPF program: {str(error)[:300]}", remedy=f"its messages stand above; {INSTALL}"
        ) from error
    try:
        kind = bcc.BPF.CGROUP_SKB if at == "sockets" else bcc.BPF.SOCKET_FILTER
        attached = programs.ATTACHED[at]
        fds = {name: compiled.load_func(name.encode(), kind).fd for name in (attached, *programs.stages(at))}
    except Exception as error:  # bcc raises bare Exception
        compiled.cleanup()
        if "not permitted" in str(error) or "denied" in str(error):
            remedy = rights.capabilities_remedy()
            raise CaptureError("the kernel refuses the BPF program: no permission", remedy=remedy, denied=True) from error
        raise CaptureError(f"the kernel refuses the BPF program: {error}", remedy="please report this") from error
    maps = {name: compiled[name.encode()].map_fd if name != "events" else _ring_fd(bcc, compiled) for name in programs.MAPS}
    programs.link(maps, at, fds.__getitem__)
    return programs.Program("bcc", fds[attached], maps, compiled.cleanup, keep=compiled)


def _ring_fd(bcc: ModuleType, compiled: object) -> int:
    """bcc's own objects for ring buffers want callbacks; the file descriptor is all we need."""
    fd: int = bcc.libbcc.lib.bpf_table_fd(compiled.module, b"events")  # type: ignore[attr-defined]
    return fd
