"""What the kernel does with compiled lists (``pipeline/bpf/gate/lists.h``), in Python: only to test the compiler."""

from pipeline.lists import kernel
from pipeline.lists.automaton import ROW
from pipeline.lists.kernel import NAME, PREFIX, TEXT_BYTES, VALUE, Compiled


def found(lists: Compiled, method: str, host: str, path: str, list_kind: int = 0) -> str | None:
    """The entry of one list that fits a request with this canonical path."""
    return _Walk(lists, list_kind).find(method, host, path)


class _Walk:
    def __init__(self, lists: Compiled, list_kind: int) -> None:
        self.lists = lists
        self.list_kind = list_kind

    def find(self, method: str, host: str, path: str) -> str | None:
        asked = self._name(kernel.METHOD, 0, 0, method.encode()) if method else None
        at = self._host(host)
        while True:
            for number in (0, asked[0] if asked else 0):
                entry = self._group(at, number, path.encode())
                if entry:
                    return self.lists.entries[entry - 1]
            if at == 0:
                return None
            group = self._name(kernel.GROUP, at, 0, b"")
            assert group is not None, "every host has a group for any method"
            at = group[3]

    def _host(self, host: str) -> int:
        if not host:
            return 0
        exact = self._name(kernel.HOST, 0, 0, host.encode())
        longest = self._prefix(kernel.SUFFIX, 0, 0, host[::-1].encode() + b".")
        value = exact or longest
        return value[0] if value else 0

    def _group(self, host: int, method: int, path: bytes) -> int:
        group = self._name(kernel.GROUP, host, method, b"")
        if group is None:
            return 0
        flags, whole, first, _ = group
        if flags & kernel.GROUP_ANY:
            return whole
        exact = self._name(kernel.PATH, host, method, path) if flags & kernel.GROUP_EXACT else None
        prefix = self._prefix(kernel.PATH, host, method, path) if flags & kernel.GROUP_PREFIX else None
        if value := exact or prefix:
            return value[0]
        return self._globs(first, path) if flags & kernel.GROUP_GLOBS else 0

    def _globs(self, at: int, path: bytes) -> int:
        for byte in path:
            at = ROW.unpack(self.lists.rows[at])[byte]
        return int(ROW.unpack(self.lists.rows[at])[256])

    def _name(self, kind: int, host: int, method: int, text: bytes) -> tuple[int, ...] | None:
        if len(text) > TEXT_BYTES:
            return None
        value = self.lists.names.get(NAME.pack(kind + self.list_kind, host, method, text))
        return VALUE.unpack(value) if value else None

    def _prefix(self, kind: int, host: int, method: int, text: bytes) -> tuple[int, ...] | None:
        """The longest, as a trie finds it."""
        for length in range(min(len(text), TEXT_BYTES), -1, -1):
            key = PREFIX.pack(96 + 8 * length, kind + self.list_kind, host, method, text[:length])
            if key in self.lists.prefixes:
                return VALUE.unpack(self.lists.prefixes[key])
        return None
