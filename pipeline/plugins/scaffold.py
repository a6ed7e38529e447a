"""`httpipe plugins new`: a package with one plugin that passes its own tests at once.

In: a kind and a name. Out: a folder with pyproject, module, tests, README, CI file and a pipeline to try it with. It never writes
into a folder that has something in it.
"""

import importlib.metadata
import keyword
import re
from importlib.resources import files
from pathlib import Path

from pipeline.config.options import ID_PATTERN
from pipeline.errors import HttpipeError
from pipeline.plugins.discovery import BUILTIN, Kind

DEPENDENCIES = {Kind.SINK: ("anyio", "pydantic"), Kind.SOURCE: ("anyio", "pydantic"), Kind.TRANSFORM: ("pydantic",)}


class ScaffoldError(HttpipeError):
    """A name that will not do, or a folder that is taken."""


def write_package(kind: Kind, name: str, into: Path) -> Path:
    """Write the package and give its folder."""
    module = name.replace("-", "_")
    if not re.match(ID_PATTERN, module) or module[0].isdigit() or keyword.iskeyword(module) or module in ("pipeline", "tests"):
        raise ScaffoldError(f'"{name}" will not do as a name; take lower-case letters, digits and "_", such as my_{kind}')
    if "__" in module or module.strip("_") != module:
        raise ScaffoldError(f'"{name}" will not do as a name; "_" only between words')
    folder = into / module.replace("_", "-")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScaffoldError(f"{folder} is there already, and not empty")
    for path, template in _layout(kind, module).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(template, kind, module))
    return folder


def _layout(kind: Kind, module: str) -> dict[str, str]:
    """Each file of the package and the template it comes from; none is an empty file."""
    return {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "pipeline.toml": f"{kind}.pipeline.toml",
        f"src/{module}/__init__.py": f"{kind}.module.py",
        f"src/{module}/py.typed": "",
        f"tests/test_{module}.py": f"{kind}.test.py",
        ".github/workflows/ci.yml": "ci.yml",
        ".gitignore": "gitignore",
    }


def _filled(template: str, kind: Kind, module: str) -> str:
    if not template:
        return ""
    words = {
        "KIND": kind.value,
        "NAME": module,
        "MODULE": module,
        "CLASS": "".join(word.capitalize() for word in module.split("_")),
        "DISTRIBUTION": module.replace("_", "-"),
        "HTTPIPE_VERSION": importlib.metadata.version(BUILTIN),
        "DEPENDENCIES": "".join(f', "{name}"' for name in DEPENDENCIES[kind]),
        "PIPELINE": "" if template.endswith("pipeline.toml") else _filled(f"{kind}.pipeline.toml", kind, module),
    }
    text = (files("pipeline.plugins") / "templates" / f"{template}.tmpl").read_text()
    return re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], text)
