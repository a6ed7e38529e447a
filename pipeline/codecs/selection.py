"""Which fields of the table, headers and attributes an encoder writes: ``only_fields`` and ``except_fields`` as a predicate."""

from functools import lru_cache

import msgspec

from pipeline.model.events.fields import Family, Field
from pipeline.model.events.kind import Kind


class Selection(msgspec.Struct, frozen=True):
    """``Selection()`` takes everything. A name covers what is below it: ``http.request`` takes ``http.request.method``."""

    only: tuple[str, ...] | None = None
    without: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return self.only is not None or self.without is not None

    def takes(self, name: str) -> bool:
        """Whether the field, header or attribute of this outside name is written."""
        return _takes(self.only, self.without, name)

    def fields(self, kind: Kind) -> tuple[Field, ...]:
        """The declared fields of a kind that are written, in the order of its table."""
        return tuple(field for field in kind.fields if self.takes(field.name))

    def families(self, kind: Kind) -> tuple[Family, ...]:
        """The families of which any member may be written."""
        return tuple(family for family in kind.families if self._reaches(family.prefix))

    def _reaches(self, prefix: str) -> bool:
        if self.only is None:
            return self.takes(prefix.rstrip("."))
        return any(name.startswith(prefix) for name in self.only) or _covered(prefix, self.only)


@lru_cache(maxsize=1024)  # headers and attributes are asked about for every event, and their names come from the configuration
def _takes(only: tuple[str, ...] | None, without: tuple[str, ...] | None, name: str) -> bool:
    if only is not None:
        return _covered(name, only)
    return without is None or not _covered(name, without)


def _covered(name: str, names: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in names)
