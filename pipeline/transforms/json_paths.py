"""Values in a JSON text by their path: ``user.password``, ``cards[*].number``, ``**.token``. Pure, bounded, never raises.

Keys are compared without regard to case; arrays are stepped through, with or without ``[*]``; ``*`` is any one key and ``**``
any number of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

Path = tuple[str, ...]


def parse_path(text: str) -> Path:
    """A path from its text; empty where it is not a path."""
    steps = text.removeprefix("$").removeprefix(".").replace("[*]", "").lower().split(".")
    return tuple(steps) if all(steps) and steps[-1] != "**" else ()


class JsonRedaction:
    """Replaces the values at ``paths``; ``replace`` gives the new value as text, or None to remove key and value."""

    def __init__(self, paths: Sequence[Path], replace: Callable[[str], str | None]) -> None:
        self._paths = frozenset(paths)
        self._replace = replace
        self._names = frozenset(path[-1] for path in paths)

    def __call__(self, text: str) -> str | None:
        """The text with the values replaced; None where it is broken JSON in which a value may stand.

        What is parsed is written again even if nothing was found, because of an object with the same key twice a parser shows
        only the last.
        """
        if text[:1] not in ("{", "[") and text.lstrip()[:1] not in ("{", "["):
            return text
        if not self._may_concern(text):
            return text
        try:
            tree = msgspec.json.decode(text)
            self._walk(tree)
            return msgspec.json.encode(tree).decode()
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
            return None

    def _may_concern(self, text: str) -> bool:
        """A key may be written with escapes, so a text with any is always parsed."""
        lowered = text.lower()
        return "*" in self._names or "\\" in lowered or any(name in lowered for name in self._names)

    def _walk(self, tree: Any) -> None:  # noqa: ANN401  any JSON value
        stack: list[tuple[Any, frozenset[Path]]] = [(tree, self._paths)]
        while stack:
            node, paths = stack.pop()
            if isinstance(node, list):
                stack += [(item, paths) for item in node if isinstance(item, dict | list)]
            elif isinstance(node, dict):
                open_paths = paths | {path[1:] for path in paths if path[0] == "**"}
                for key in list(node):
                    following = self._step(node, key, open_paths)
                    if following and isinstance(node.get(key), dict | list):
                        stack.append((node[key], following))

    def _step(self, node: dict[str, Any], key: str, paths: frozenset[Path]) -> frozenset[Path]:
        name = key.lower()
        following = {path for path in paths if path[0] == "**"}
        for path in paths:
            if path[0] in (name, "*"):
                if len(path) == 1:
                    self._redact(node, key)
                    return frozenset()
                following.add(path[1:])
        return frozenset(following)

    def _redact(self, node: dict[str, Any], key: str) -> None:
        value = node[key]
        new = self._replace(value if isinstance(value, str) else msgspec.json.encode(value).decode())
        if new is None:
            del node[key]
        else:
            node[key] = new
