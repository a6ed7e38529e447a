"""What may stand in a ``[[tests]]`` table. ``topology.cases`` checks the rest of it, ``httpipe test`` runs it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from pipeline.api import Config, PathOption

Object = Mapping[str, Any]


class CaseConfig(Config):
    """One test of the pipeline, for `httpipe test`."""

    name: Annotated[str, Field(min_length=1)]
    """What is tested, in words."""
    insert_at: str
    """Id of the source or transform that the events are given to."""
    event: Object | None = None
    """One event by its outside names or their short forms, such as `event = { status = 503, path = "/api/x" }`."""
    events: tuple[Object, ...] = ()
    """Several of them, in order."""
    capture: PathOption | None = None
    """Capture file whose exchanges are the events; its path is relative to the pipeline file."""
    extract_from: str | None = None
    """Id of the component, or `id.output`, whose events are looked at."""
    where: str | None = None
    """Condition that holds for each of them. There must be at least one."""
    expect: Object | None = None
    """Fields and values that each of them has."""
    count: Annotated[int, Field(ge=0)] | None = None
    """How many there are."""
    no_outputs_from: tuple[str, ...] = ()
    """Components, or `id.output`, that give out nothing."""
