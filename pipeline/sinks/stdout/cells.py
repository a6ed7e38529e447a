"""Text in the cells of a terminal: how wide it is, and how it is made to fit. Pure."""

import unicodedata


def cells(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def filled(text: str, width: int) -> str:
    """Filled up to ``width`` cells; longer text stays as it is."""
    return text.ljust(width) if text.isascii() else text + " " * (width - cells(text))


def fitted(text: str, width: int) -> str:
    """Filled up to, or shortened to, ``width`` cells."""
    return filled(shortened(text, width), width)


def shortened(text: str, width: int) -> str:
    """The text's beginning and end with ``…`` between them, ``width`` cells wide: the end of a URL says as much as its start."""
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    tail = (width - 1) // 3
    end = taken(text[::-1], tail)[::-1]
    begin = taken(text, width - 1 - cells(end))
    missing = width - 1 - cells(begin) - cells(end)
    return f"{begin}…{end}{' ' * missing}"


def taken(text: str, width: int) -> str:
    """As much of the text's beginning as fits."""
    used = 0
    for place, character in enumerate(text):
        used += cells(character)
        if used > width:
            return text[:place]
    return text
