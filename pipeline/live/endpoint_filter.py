"""The filter that an endpoint stands for: ``GET shop.example:8080/users/{id}`` as a condition on exchanges. Pure."""

import json
import re


def condition_of(key: str) -> str | None:
    """None for what stands for all others."""
    method, space, place = key.partition(" ")
    if not space:
        return None
    at = place.find("/")
    host, path = (place, "") if at < 0 else (place[:at], place[at:])
    name, colon, port = host.rpartition(":")
    parts = [f"method == {json.dumps(method)}"] if method != "-" else []
    if colon and port.isdigit():
        parts += [f"host == {json.dumps(name)}", f"port == {port}"]
    else:
        parts.append(f"host == {json.dumps(host)}")
    if "{id}" in path:
        parts.append(f"path.matches({json.dumps('^' + _pattern(path) + '$')})")
    elif path:
        parts.append(f"path == {json.dumps(path)}")
    return " and ".join(parts)


def _pattern(path: str) -> str:
    return "[^/]+".join(re.escape(part) for part in path.split("{id}"))
