"""Gathers what the site is made of: ``python -m tools.site FOLDER``. mkdocs.yml says what is done with it.

Every page goes to the place that it has in the repository, and with it every file that a page leads to, so that links hold here,
there, and on a code host.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def gather(folder: Path) -> None:
    """Pages, and what they lead to; a folder's place is taken by a page that lists it."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = [page for name in PAGES for page in ([ROOT / name] if name.endswith(".md") else sorted((ROOT / name).rglob("*.md")))]
    for page in pages:
        text = page.read_text()
        for target in {(page.parent / link).resolve() for link in LINK.findall(text)}:
            if target.is_file() and target not in pages:
                copy(target, folder)
            elif target.is_dir():
                listing(target, folder)
        text = LINK.sub(lambda link, page=page: _to_listing(link, page), text)  # type: ignore[misc]
        there = folder / page.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)


def copy(file: Path, folder: Path) -> None:
    """One file."""
    there = folder / file.relative_to(ROOT)
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, there)


def listing(target: Path, folder: Path) -> None:
    """A page with the files of a folder."""
    files = sorted(path for path in target.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for file in files:
        copy(file, folder)
    lines = [f"- [{file.relative_to(target)}]({file.relative_to(target)})" for file in files]
    (folder / target.relative_to(ROOT) / "index.md").write_text("\n".join([f"# {target.relative_to(ROOT)}", "", *lines, ""]))


def _to_listing(link: re.Match[str], page: Path) -> str:
    return f"{link[0].rstrip('/')}/index.md" if (page.parent / link[1]).is_dir() else link[0]


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
