"""Words on standard error. They never decide how the command ends: a log on a full disk is no reason to fail."""

import contextlib
import os
import sys

import click


def say(text: str) -> None:
    """One message; lost where standard error takes none."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def let_go() -> None:
    """At the end: what standard error has not taken is given up, or Python tries once more and exits with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
