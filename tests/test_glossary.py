"""The glossary's words: what it says is not used stands nowhere in the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("pipeline", "httpipe")
SUFFIXES = {".py", ".c", ".h", ".tmpl"}


def not_used() -> set[str]:
    """The words of the glossary's last table."""
    table = (ROOT / "docs" / "glossary.md").read_text().partition("## Not used")[2]
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[2:]
    return {word.strip() for cell in cells for word in re.sub(r"\(.*\)", "", cell).split(",")}


def test_words_that_are_not_used_stand_nowhere() -> None:
    """Neither as a name nor in a sentence; a part of a name counts, as in ``_bury_all``."""
    words = not_used()
    assert len(words) > 15
    pattern = re.compile(rf"(?<![A-Za-z])({'|'.join(words)})(?![a-z])", re.IGNORECASE)
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert len(files) > 300
    assert not found, "\n".join(found)
