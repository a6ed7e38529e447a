"""What an exchange asked for, and who the ends of a connection are, as views name them. Text that can hurt no terminal."""

from pipeline.api import Exchange
from pipeline.codecs.text import visible
from pipeline.model.events.http_request import HttpRequest


def who(name: str | None, address: str | None, port: int | None = None) -> str:
    """The program where it is known, with its socket's address."""
    where = f"[{address}]" if address and ":" in address and port else address or ""
    where = f"{where}:{port}" if where and port else where
    return f"{visible(name)} {where}".rstrip() if name else where or "?"


def host(event: Exchange | HttpRequest) -> str:
    """Host with port, unless that is the usual one."""
    name = visible(event.server_address or "")
    name = f"[{name}]" if ":" in name else name
    usual = 443 if event.url_scheme == "https" else 80
    return name if event.server_port in (None, usual) else f"{name}:{event.server_port}"


def target(event: Exchange | HttpRequest) -> str:
    """Path and query, or what else was asked for."""
    path = event.url_path if event.url_path is not None else event.httpipe_request_target or ""
    return visible(path if event.url_query is None else f"{path}?{event.url_query}") or "-"
