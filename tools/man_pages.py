"""Man pages from the help of the command line: ``python -m tools.man_pages FOLDER`` writes httpipe.1, httpipe-print.1 and so on.

What a page says is what ``--help`` says: click hands both to a formatter, and the one here writes roff (man(7)) where click's
own writes columns. A subcommand of a subcommand, such as ``gate status``, has a page of its own, named like git's.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import click

from pipeline.cli.main import cli


class Roff(click.HelpFormatter):
    """Writes what a command says of itself as the sections of a man page."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:  # noqa: ARG002  a heading in its place
        """The line of a SYNOPSIS."""
        self.write(f".SH SYNOPSIS\n.B {quoted(prog)}\n{quoted(args)}\n.SH DESCRIPTION\n")

    def write_heading(self, heading: str) -> None:
        """A section."""
        self.write(f".SH {quoted(heading.upper())}\n")

    def write_paragraph(self) -> None:
        """Roff has a macro for it, which ``write_text`` uses."""

    def write_text(self, text: str) -> None:
        r"""Paragraphs; one that begins with a line of ``\b`` keeps its lines, as click has it."""
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            lines = [line.rstrip() for line in paragraph.splitlines()]
            if lines and lines[0].strip() == "\b":
                self.write(".PP\n.nf\n" + "\n".join(map(quoted, lines[1:])) + "\n.fi\n")
            else:
                self.write(".PP\n" + quoted(" ".join(line.strip() for line in lines)) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:  # noqa: ARG002  columns, which roff makes itself
        """Terms, each with what it means below it."""
        for term, meaning in rows:
            self.write(f".TP\n.B {quoted(term)}\n{quoted(meaning)}\n")


def quoted(text: str) -> str:
    r"""Text as roff prints it: a backslash is no escape, a hyphen can be copied, a dot in front is no request.

    >>> quoted(".profile of --tls")
    '\\&.profile of \\-\\-tls'
    """
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


def commands(context: click.Context) -> Iterator[click.Context]:
    """The command and everything below it, each in a context of its own."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) is not None:
                yield from commands(click.Context(below, info_name=name, parent=context))


def page(context: click.Context) -> str:
    """The man page of one command."""
    formatter = Roff()
    context.command.format_help(context, formatter)
    name = context.command_path.replace(" ", "-")
    summary = context.command.get_short_help_str(limit=200).rstrip(".")
    also = "\\fBhttpipe\\fR(1), " if context.parent else ""
    return (
        f'.TH {name.upper()} 1 "" "httpipe {version("httpipe")}" "httpipe"\n'
        f".SH NAME\n{quoted(name)} \\- {quoted(summary)}\n{formatter.getvalue()}"
        f".SH SEE ALSO\n{also}\\fB{quoted('httpipe-list')}\\fR(1), /usr/share/doc/httpipe\n"
    )


def main(folder: Path) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for context in commands(click.Context(cli, info_name="httpipe", **cli.context_settings)):
        (folder / f"{context.command_path.replace(' ', '-')}.1").write_text(page(context))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
