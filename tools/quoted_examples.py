"""Puts the files of examples/ that pages quote into those pages, as they are.

``python -m tools.quoted_examples``. A page quotes a file where a line that ends in a colon links to it and a code block follows.
A test compares what it would write with what is there.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

QUOTE = re.compile(
    r"(?P<head>^[^\n]*\]\((?:\.\./)*(?P<file>examples/[^)\n]+)\)[^\n]*:\n\n```\w+\n)(?P<body>.*?)(?P<tail>^```$)",
    re.MULTILINE | re.DOTALL,
)


def pages() -> list[Path]:
    """Everything that may quote."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def quoted(text: str) -> str:
    """A page with its quotations as the files are now."""
    return QUOTE.sub(lambda found: f"{found['head']}{(ROOT / found['file']).read_text()}{found['tail']}", text)


def main() -> None:
    """Write them."""
    for page in pages():
        text = page.read_text()
        if quoted(text) != text:
            page.write_text(quoted(text))


if __name__ == "__main__":
    main()
