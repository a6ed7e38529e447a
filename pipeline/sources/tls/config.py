"""The options of the ``tls`` source."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.api import Config
from pipeline.sources.bpf.ring_size import power_of_two

ANY = "any"
"""Every executable that uses a TLS library."""

MEBIBYTE = 1 << 20

Pattern = Annotated[str, Field(min_length=1, max_length=4096)]


class TlsConfig(Config):
    """The HTTP in TLS connections of this host's programs, live, seen by probes on their TLS libraries."""

    executables: tuple[Pattern, ...] = Field(min_length=1)
    """Programs to watch: globs of their paths, such as `"/usr/sbin/nginx"`, or a symbolic link to one; a name without `/`, such
    as `"python3*"`, is compared with the file that runs, in every folder. `"any"` is all of them, and stands alone."""

    exclude: tuple[Pattern, ...] = ()
    """Programs to leave alone all the same; globs as in `executables`."""

    files: tuple[Pattern, ...] = ()
    """Libraries, and programs with a library in them, to look at when starting, whether or not a program uses them yet: the
    first connection of a program that is started later is then not missed."""

    ends: Literal["client", "server", "both"] = "both"
    """Which ends of connections to report: those of `"client"` programs, of `"server"` programs, or `"both"`; a connection
    between two programs of this host that are both watched gives two exchanges then."""

    returns: Literal["auto", "probes", "instructions"] = "auto"
    """How the ends of calls are seen: `"probes"` by return probes, `"instructions"` by a probe on each return instruction, which
    C++ exceptions and every kernel's seccomp filters pass, but costs 20 µs more a call; `"auto"` tries on a child of its own
    whether return probes do harm here."""

    ring_bytes: int = Field(default=32 * MEBIBYTE, ge=MEBIBYTE // 4, le=1024 * MEBIBYTE)
    """Buffer between kernel and httpipe, a power of two. 32 MiB hold about 0.6 s of 10,000 small exchanges a second."""

    kernel_connections: int = Field(default=65536, ge=64, le=4_194_304)
    """TLS connections that the kernel remembers, and calls that wait at once, about 500 bytes each; the least recently used make
    place."""

    @field_validator("executables")
    @classmethod
    def _any_stands_alone(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if ANY in value and len(value) > 1:
            raise ValueError('"any" includes all others: give either "any" or globs')
        return value

    _ring_size = field_validator("ring_bytes")(power_of_two)

    @field_validator("files")
    @classmethod
    def _files_are_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not path.startswith("/"):
                raise ValueError(f'"{path}" does not begin with "/": name the file with its whole path')
        return value

    @field_validator("executables", "exclude")
    @classmethod
    def _paths_are_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if "/" in pattern and not pattern.startswith(("/", "*")):
                raise ValueError(f'"{pattern}" fits no path, which all begin with "/"')
        return value

    @model_validator(mode="after")
    def _something_is_left(self) -> "TlsConfig":
        if left_out := set(self.executables) & set(self.exclude):
            raise ValueError(f'"{min(left_out)}" is both in executables and in exclude')
        return self
