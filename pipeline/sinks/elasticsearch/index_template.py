"""What the server is told about the fields: an index template made of the field tables. Pure.

Without it Elasticsearch maps data streams named ``logs-…`` by its own templates, which know ECS; OpenSearch guesses a type from
the first value that it sees, makes text of addresses, and has no data streams unless a template says so.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.codecs.ecs import ecs_names
from pipeline.model.events.attributes import DOCUMENTED, GEO_ENDS
from pipeline.model.events.fields import FieldType
from pipeline.model.events.kinds import kinds

PRIORITY = 500
"""Above the templates that Elasticsearch has for ``logs-*-*`` (100) and what its documentation keeps for integrations (200)."""
LONGEST_KEYWORD = 1024
"""Characters of a text that can be searched for; a longer one is kept and not indexed. ECS has the same."""

_KEYWORD = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
_TYPES: dict[FieldType, dict[str, Any]] = {
    FieldType.STRING: _KEYWORD,
    FieldType.STRINGS: _KEYWORD,
    FieldType.INT: {"type": "long"},
    FieldType.FLOAT: {"type": "double"},
    FieldType.BOOL: {"type": "boolean"},
    FieldType.TIMESTAMP: {"type": "date_nanos"},
}
_OWN = {"event.duration": {"type": "long"}}
"""Of what the encoder gives another type than the field has: nanoseconds for milliseconds."""
_TEXTS = {"strings": {"match_mapping_type": "string", "mapping": _KEYWORD}}


def index_template(pattern: str, *, data_stream: bool) -> dict[str, Any]:
    """The body of ``PUT _index_template/NAME`` for indices with these names."""
    properties: dict[str, Any] = {"@timestamp": {"type": "date_nanos"}}
    for name, kind in (*_declared(), ("ecs.version", _KEYWORD), ("event.dataset", _KEYWORD)):
        *parents, last = name.split(".")
        place = properties
        for parent in parents:
            place = place.setdefault(parent, {}).setdefault("properties", {})
        place[last] = kind
    mappings = {"dynamic_templates": [_TEXTS], "date_detection": False, "properties": properties}
    template: dict[str, Any] = {
        "index_patterns": [pattern],
        "priority": PRIORITY,
        "template": {"mappings": mappings},
        "_meta": {"description": "events of httpipe, as the Elastic Common Schema has them"},
    }
    return template | ({"data_stream": {}} if data_stream else {})


def _declared() -> Iterator[tuple[str, dict[str, Any]]]:
    """Places of all declared fields and known attributes, with their types."""
    for field in (*(field for kind in kinds() for field in (*kind.fields, *kind.attributes)), *DOCUMENTED):
        for name in ecs_names(field):
            if ".geo.location." not in name:  # of a point, below
                yield name, _OWN.get(name) or ({"type": "ip"} if name.endswith(".ip") else _TYPES[field.type])
    for end in GEO_ENDS:
        yield f"{end}.geo.location", {"type": "geo_point"}
