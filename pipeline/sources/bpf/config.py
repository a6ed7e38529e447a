"""The options of the ``bpf`` source."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.api import Config
from pipeline.model.effects import Needs, effective
from pipeline.sources.bpf.program import At
from pipeline.sources.bpf.ring_size import power_of_two

ANY = "any"
"""Every interface of this network namespace, also those that appear later."""

MEBIBYTE = 1 << 20


class BpfConfig(Config):
    """The HTTP traffic of this host, live, seen by a BPF program on packet sockets."""

    interfaces: tuple[Annotated[str, Field(min_length=1, max_length=15)], ...] = Field(default=(ANY,), min_length=1)
    """Interfaces to watch. `"any"` is all of them, also those that appear later, and stands alone."""

    at: At = "interfaces"
    """Where packets are seen. `"interfaces"`: on those of this network namespace. `"sockets"`: as the sockets of every network
    namespace send and receive them, containers' loopback too; needs cap_net_admin and cgroups of version 2."""

    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = ()
    """TCP ports to watch, of either end, sorted out in the kernel. Empty: all ports."""

    loader: Literal["auto", "libbpf", "bcc"] = "auto"
    """`"libbpf"` loads the prebuilt program; `"bcc"` compiles it on this host, which takes seconds and needs the
    kernel's headers; `"auto"` takes libbpf where the prebuilt program and the library are there, else bcc."""

    processes: bool | Literal["auto"] = "auto"
    """Tell the process and the container at each end of a connection that is on this host. `"auto"`: where the kernel allows
    it, and the log says where it does not; `true`: or do not start."""

    command_lines: bool = False
    """Tell their command lines, too, which may hold secrets: those that have such a name are replaced."""

    ring_bytes: int = Field(default=32 * MEBIBYTE, ge=MEBIBYTE // 4, le=1024 * MEBIBYTE)
    """Buffer between kernel and httpipe, a power of two; its memory is taken at once. 32 MiB hold about 1.2 s of 30,000 small
    exchanges a second."""

    kernel_connections: int = Field(default=65536, ge=64, le=4_194_304)
    """Connections that the kernel remembers as HTTP, about 200 bytes each; the least recently used make place."""

    @field_validator("interfaces")
    @classmethod
    def _any_stands_alone(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if ANY in value and len(value) > 1:
            raise ValueError('"any" includes all others: give either "any" or names')
        if len(set(value)) != len(value):
            raise ValueError("an interface is named twice")
        return value

    @model_validator(mode="after")
    def _sockets_have_no_interfaces(self) -> Self:
        if self.at == "sockets" and self.interfaces != (ANY,):
            raise ValueError('interfaces are for at = "interfaces": at sockets leave them out, and name ports')
        return effective(self, Needs(["command_lines"], 'processes = true or "auto"', self.processes is not False))

    _ring_size = field_validator("ring_bytes")(power_of_two)
