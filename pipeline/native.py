"""The compiled lane (``lane/``, Rust), where this installation has it. No other module imports the extension.

Without it everything works, slower: ``lane`` is None then, and ``missing`` says why. ``HTTPIPE_LANE=0`` switches it off.
"""

import os
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the types, for those who hold them
    from pipeline._lane import Events, JsonLines, Lane, Records

    __all__ = ["Events", "JsonLines", "Lane", "Records", "lane", "missing"]

VERSION = 9
"""Of what Python calls; an extension that was built from other sources is left alone."""


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get("HTTPIPE_LANE") == "0":
        return None, "switched off by HTTPIPE_LANE=0"
    if find_spec("pipeline._lane") is None:
        return None, "not built"
    try:
        from pipeline import _lane  # noqa: PLC0415  it may be absent
    except ImportError as error:
        return None, f"cannot be loaded: {error}"
    if _lane.VERSION != VERSION:
        return None, f"built from other sources (version {_lane.VERSION}, this is {VERSION}); build it again"
    return _lane, ""


lane, missing = _load()
EVENTS: tuple[type["Events"], ...] = (lane.Events,) if lane is not None else ()
"""The class of batches of events in native memory, for ``isinstance``: sequences of events, each made when somebody looks."""
REMEDY = (
    """with Rust (Debian 12: apt-get install rustc-web cargo-web) `make setup` builds it; without it httpipe works, but slower"""
)
