"""The ``syslog`` sink: one message for each event, to a syslog server or the socket of this host's.

In: batches of the engine. Out: messages, in order. The engine owns retry; what a connection carried to a server that died
nobody can know, see ``stream``.
"""

import os
import socket
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Self

import anyio
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from pipeline.api import Config, Context, Event, NotConnected, Sink, SinkDefaults
from pipeline.codecs.options import FieldNames, SelectionOptions
from pipeline.codecs.selection import Selection
from pipeline.model.effects import Needs, effective
from pipeline.sinks.http.client import TlsOptions
from pipeline.sinks.severity import Severity
from pipeline.sinks.stdout.lines import in_words
from pipeline.sinks.syslog.address import LARGEST, Transport, address_of
from pipeline.sinks.syslog.datagram import Datagram
from pipeline.sinks.syslog.message import FACILITIES, SEVERITIES, Form, message
from pipeline.sinks.syslog.stream import Framing, Stream

Facility = Literal[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert",
    "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip
Level = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
HeaderText = Annotated[str, Field(pattern=r"^[\x21-\x7e]*$")]


class SeverityOptions(Config):
    """`severity`: the severity of messages."""

    error: Level = "err"
    """Where a server failed (5xx, failed gRPC calls), no whole answer came, or a handshake failed."""
    warning: Level = "warning"
    """Where a client got a 4xx, or the firewall refused, or would refuse."""
    info: Level = "info"
    """Of all else."""


def _checked(text: str) -> str:
    address_of(text)
    return text


class SyslogSinkConfig(SelectionOptions):
    """Options of the `syslog` sink."""

    model_config = ConfigDict(hide_input_in_errors=True)

    address: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_checked)]
    """Where to send: `udp://host`, `tcp://host`, `tls://host`, with `:port` where it is another than 514, 601 or 6514, or `unix:///dev/log`."""
    socket: Literal["datagram", "stream"] = "datagram"
    """What kind of socket a `unix://` address is."""
    format: Literal["rfc5424", "rfc3164"] = "rfc5424"
    """How messages are written. `rfc3164` is the older form, which journald and most others expect at `/dev/log`."""
    framing: Framing = "octets"
    """How messages are told apart over `tcp://` and a stream socket: `octets`, each behind its length, or `lines`."""
    facility: Facility = "local0"
    """Facility of messages."""
    severity: SeverityOptions = SeverityOptions()
    """Severity of messages."""
    app_name: Annotated[HeaderText, Field(min_length=1, max_length=48)] = "httpipe"
    """Name of the program in messages."""
    hostname: Annotated[HeaderText, Field(max_length=255)] = ""
    """Host name in messages whose event has no `host.name`. Default: that of this host."""
    message: Literal["line", "json"] = "line"
    """Text of messages: what `httpipe print` shows, or the event as JSON."""
    structured_data: bool = False
    """Write fields as structured data, too."""
    sd_id: Annotated[str, Field(pattern=r'^[^\x00-\x20\x7f-\uffff="\]]{1,32}$')] = "httpipe@32473"
    """Name of the structured data. The number behind `@` is the one reserved for examples; an organisation with a private enterprise number writes its own."""  # noqa: E501
    only_fields: FieldNames | None = None
    """In JSON and structured data, write these fields and attributes only. A name covers what is below it."""
    except_fields: FieldNames | None = None
    """In JSON and structured data, write all but these fields and attributes."""
    bom: bool = True
    """Put the mark that RFC 5424 asks for before text that is not ASCII. Never before JSON."""
    max_bytes: Annotated[int, Field(ge=480, le=65_000)] | None = None
    """Bytes of a message; what is longer is cut. Default: 2048 over UDP, else 8192."""
    timeout_secs: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long to wait for a connection."""
    tls: TlsOptions = TlsOptions()
    """Certificates, for `tls://`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        transport = address_of(self.address).transport
        if self.framing == "lines" and transport is Transport.TLS:
            raise ValueError('framing = "lines" is not possible over TLS (RFC 5425)')
        if self.structured_data and self.format == "rfc3164":
            raise ValueError('structured_data is not possible with format = "rfc3164"')
        unix = transport is Transport.UNIX
        stream = transport in (Transport.TCP, Transport.TLS) or (unix and self.socket == "stream")
        return effective(
            self,
            Needs(["socket"], "an address that begins with unix://", unix),
            Needs(["framing", "timeout_secs"], 'an address that begins with tcp:// or tls://, or socket = "stream"', stream),
            Needs(["tls"], "an address that begins with tls://", transport is Transport.TLS),
            Needs(["sd_id"], "structured_data = true", self.structured_data),
            Needs(
                ["only_fields", "except_fields"],
                'message = "json" or structured_data = true',
                self.message == "json" or self.structured_data,
            ),
            Needs(["bom"], 'format = "rfc5424" and message = "line"', self.format == "rfc5424" and self.message == "line"),
        )


class SyslogSink(Sink):
    """Sends events as syslog messages."""

    api_version = 1
    Config = SyslogSinkConfig
    defaults = SinkDefaults(batch_max_events=500, batch_max_bytes=1 << 20, batch_timeout_secs=0.5)

    def __init__(self, config: SyslogSinkConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._address = address_of(config.address)
        self._form = form_of(config)
        self._line: Stream | Datagram | None = None
        self._turn = 0

    async def open(self) -> None:
        """Connect."""
        config, address = self._config, self._address
        if address.transport is Transport.UDP or (address.transport is Transport.UNIX and config.socket == "datagram"):
            # nobody answers a datagram: that this is opened again may mean that nobody listens at the address before
            self._line = Datagram(address, self._turn)
            self._turn += 1
        else:
            context = None
            if address.transport is Transport.TLS:
                try:
                    context = await anyio.to_thread.run_sync(config.tls.context)
                except OSError as error:
                    raise NotConnected(f"cannot read what tls names: {error}") from error
            self._line = Stream(address, config.framing, context, config.timeout_secs)
        await self._line.open()

    async def write(self, batch: Sequence[Event]) -> None:
        """Send a message for each event."""
        if self._line is None:
            raise NotConnected("not open")
        messages = [message(event, self._form) for event in batch]
        if cut := sum(each.cut for each in messages):
            self._context.count("truncated", cut)
        await self._line.send([each.data for each in messages])

    async def aclose(self) -> None:
        """Close the connection, once the server has read the rest or two seconds have passed."""
        line, self._line = self._line, None
        if line is not None:
            await line.aclose()


def form_of(config: SyslogSinkConfig) -> Form:
    """How messages are written, as the options say."""
    address, severity = address_of(config.address), config.severity
    names = {Severity.ERROR: severity.error, Severity.WARNING: severity.warning, Severity.INFO: severity.info}
    selection = Selection(config.only_fields, config.except_fields)
    old = config.format == "rfc3164"
    host = "" if old and address.transport is Transport.UNIX else config.hostname or socket.gethostname()
    return Form(
        facility=FACILITIES.index(config.facility),
        severities={each: SEVERITIES.index(name) for each, name in names.items()},
        host=host,
        app=config.app_name,
        pid=os.getpid(),
        sd_id=config.sd_id if config.structured_data else "",
        selection=selection,
        text=_json(selection) if config.message == "json" else _words,
        bom=config.bom and config.message == "line" and not old,
        largest=config.max_bytes or LARGEST[address.transport],
        old=old,
    )


def _words(event: Event) -> bytes:
    """In ASCII where the event is: many receivers show the mark that has to stand before other text."""
    return in_words(event).replace(" → ", " -> ", 1).encode("utf-8", "replace")


def _json(selection: Selection) -> Callable[[Event], bytes]:
    from pipeline.codecs.json import JsonCodec  # noqa: PLC0415  start-up pays for what is used

    return JsonCodec(selection).encode
