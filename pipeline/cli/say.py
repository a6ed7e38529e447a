"""Words on standard error. They never decide how the command ends: a log on a full disk must not make it fail."""

import contextlib
import os
import sys

import click


def say(text: str, level: str = "info", **fields: object) -> None:
    """One message; lost where standard error takes none. A line of the log where that is JSON, and only then with the fields."""
    if speaks_json():
        from pipeline.telemetry.logs import json_line  # noqa: PLC0415  start-up

        text = json_line(level, text, fields)
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def speaks_json() -> bool:
    """Whether the pipeline file asks for a log of JSON: then nothing else may be on standard error."""
    logs = sys.modules.get("pipeline.telemetry.logs")  # start-up: nobody has asked for it before it is there
    return logs is not None and bool(logs.speaks_json())


def let_go() -> None:
    """At the end: what standard error has not taken is given up, or Python tries once more and exits with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
