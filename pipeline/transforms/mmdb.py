"""A database in MaxMind's format: mapped into memory by maxminddb, opened again when its file was replaced.

A large one costs what is looked up of it. The engine says whether the file has changed (``Context.map_file``); what was opened
last stays while the new file cannot be used.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from pipeline.api import ConfigError, Context
from pipeline.errors import Problem

if TYPE_CHECKING:
    from maxminddb import Reader

INSTALL = 'this transform needs the package maxminddb; type: pip install "httpipe[geoip]"'

CHECK_EVERY_NS = 1_000_000_000
"""The file is looked at once a second: a `stat`."""

EMPTY: Mapping[str, Any] = {}


class DamagedError(Exception):
    """A look-up met what no database has."""


class Database:
    """Raises ``ConfigError`` at the start for a file that cannot be used; later that is logged and counted, ``reload_failed``."""

    def __init__(self, path: str, context: Context, option: str) -> None:
        self.path = path
        self._context = context
        self._checked_ns = 0
        self._reader: Reader | None = None
        try:
            self._reader = self._opened()
        except ImportError as error:
            raise ConfigError([Problem("", INSTALL)]) from error
        except OSError as error:
            raise ConfigError([Problem(option, f'"{path}" cannot be read: {error.strerror or error}')]) from error
        except DamagedError as error:
            raise ConfigError([Problem(option, f'"{path}" is not a database in MaxMind\'s format')]) from error

    def record(self, address: IPv4Address | IPv6Address) -> Mapping[str, Any]:
        """What it says of an address; empty where it says nothing. Raises ``DamagedError``."""
        if self._reader is None:
            return EMPTY
        try:
            found = self._reader.get(address)
        except ValueError as error:
            if address.version == 6 and self._reader.metadata().ip_version == 4:  # a database of IPv4 alone
                return EMPTY
            raise DamagedError from error
        except Exception as error:  # InvalidDatabaseError, and what decoding garbage raises
            raise DamagedError from error
        return found if isinstance(found, dict) else EMPTY

    def refresh(self, now_ns: int) -> bool:
        """Whether it has been opened again; the file is looked at once a second."""
        if now_ns - self._checked_ns < CHECK_EVERY_NS:
            return False
        self._checked_ns = now_ns
        try:
            reader = self._opened()
        except (OSError, DamagedError) as error:
            self._context.count("reload_failed", 1)
            self._context.log.warning(
                "the file cannot be used; its last good version stays", extra={"path": self.path, "error": str(error)}
            )
            return False
        if reader is None:
            return False
        if self._reader is not None:
            self._reader.close()
        self._reader = reader
        self._context.count("reloaded", 1)
        self._context.log.info("the file was read again", extra={"path": self.path})
        return True

    def _opened(self) -> "Reader | None":
        """The database, where the file is new; raises ``OSError``, ``DamagedError`` or ``ImportError``."""
        import maxminddb  # noqa: PLC0415  an optional dependency: only who uses it pays

        mapped = self._context.map_file(self.path)
        if mapped is None:
            return None
        mapped.close()  # maxminddb maps it itself
        try:
            return maxminddb.open_database(self.path)
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise DamagedError("not a database in MaxMind's format") from error
