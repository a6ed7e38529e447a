"""Options that are paths. One rule for all: a path that is not absolute begins at the folder of the pipeline file. Pure.

The folder comes in as the context of the validation; without one, as where a component is made by a program or a test, a path
stays as it is. Whoever runs `httpipe` from another folder, or as a service, gets the same files.
"""

import glob
import posixpath
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

FOLDER = "folder"
"""Key of the validation context: the folder of the pipeline file as it was named; empty for the current one."""

STANDARD_INPUT = "-"


def context_of(file: str) -> Mapping[str, str]:
    """The context for the options of a pipeline file; of standard input the current folder counts."""
    return {FOLDER: posixpath.dirname(file)}


def _joined(quoted: Callable[[str, str], str]) -> Callable[[str, ValidationInfo], str]:
    """A validator that puts the folder, quoted as this kind of path wants it, in front of what is not absolute."""

    def join(path: str, info: ValidationInfo) -> str:
        folder = str((info.context or {}).get(FOLDER, ""))
        begins_elsewhere = path in ("", STANDARD_INPUT) or path.startswith("{{")  # nothing, a stream, or an error
        return path if not folder or begins_elsewhere else posixpath.join(quoted(folder, path), path)

    return join


PathOption = Annotated[str, AfterValidator(_joined(lambda folder, _: folder))]
"""A file or folder."""

GlobOption = Annotated[str, AfterValidator(_joined(lambda folder, path: glob.escape(folder) if glob.has_magic(path) else folder))]
"""A file, or a glob of files."""

PathTemplateOption = Annotated[str, AfterValidator(_joined(lambda folder, _: folder.replace("%", "%%")))]
"""A file whose name has time tokens (``%Y``) or values of the event (``{{field}}``)."""
