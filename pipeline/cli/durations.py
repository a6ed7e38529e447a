"""Times on the command line: ``500ms``, ``10s``, ``5m``, ``1h``, ``2d``; a bare number is seconds."""

import re

import click

UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Duration(click.ParamType[float]):
    """Seconds, written with a unit."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; fails with what would be right."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", str(value).strip())
        if found is None or float(found[1]) == 0:
            self.fail(f'"{value}" is not a time, such as 500ms, 10s, 5m or 1h', param, ctx)
        return float(found[1]) * UNITS[found[2]]


DURATION = Duration()
