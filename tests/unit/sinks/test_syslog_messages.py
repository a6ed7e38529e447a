"""What the sink `syslog` writes: messages as RFC 5424 has them, whatever is in the event, and never longer than they may be."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.sinks.syslog.address import Address, Transport, address_of
from pipeline.sinks.syslog.message import FACILITIES, SEVERITIES, message
from pipeline.sinks.syslog.sink import SyslogSinkConfig, form_of
from pipeline.sinks.syslog.stream import framed
from pipeline.testing.contract import odd_events

NOW_NS = 1_767_225_600_123_456_789
GET = Exchange(
    timestamp_ns=NOW_NS,
    http_request_method="GET",
    url_path="/a",
    server_address="shop.example",
    http_response_status_code=200,
    client_address="192.0.2.1",
    client_port=40_000,
)

# the ABNF of RFC 5424, section 6
NAME = rb"[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}"
PARAM = rb' %b="(?:[^"\\\]]|\\["\\\]])*"' % NAME
RFC5424 = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128})"
    rb" ([\x21-\x7e]{1,32}) (-|\[%b(?:%b)*\])(?: (.*))?" % (NAME, PARAM),
    re.DOTALL,
)


def written(event: Event, **options: Any) -> tuple[bytes, bool]:
    """The message with these options, and whether it was cut."""
    return message(event, form_of(SyslogSinkConfig.model_validate({"address": "tcp://a", "hostname": "here", **options})))


def parsed(data: bytes) -> tuple[bytes, ...]:
    """Its parts: priority, time, host, program, process, message id, structured data, text."""
    match = RFC5424.fullmatch(data)
    assert match is not None, data
    return match.groups()


def test_a_message_is_what_the_standard_says() -> None:
    """Facility and severity, the event's own time, in microseconds; text in ASCII without a mark."""
    data, cut = written(GET)
    priority, at, host, app, _, kind, structured, text = parsed(data)
    assert (priority, at, host, app, kind, structured) == (
        b"134", b"2026-01-01T00:00:00.123456Z", b"here", b"httpipe", b"http.exchange", b"-",
    )  # fmt: skip
    assert text == b"200 GET shop.example/a - - / - 192.0.2.1:40000 -> ?:?"
    assert not cut


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (GET, "info"),
        (GET.replace(http_response_status_code=404), "warning"),
        (GET.replace(http_response_status_code=500), "err"),
        (GET.replace(http_response_status_code=None, error_type="reset"), "err"),
        (GET.replace(rpc_grpc_status_code=5), "warning"),
        (GET.replace(rpc_grpc_status_code=14), "err"),
        (TlsHandshake(NOW_NS, error_type="reset"), "err"),
        (FirewallDecision(NOW_NS, httpipe_firewall_action="refused"), "warning"),
        (Event(NOW_NS), "info"),
    ],
)
def test_severity_follows_what_happened(event: Event, name: str) -> None:
    """With names and numbers of syslog(3); which is which may be said."""
    assert int(parsed(written(event, facility="user")[0])[0]) == 8 + SEVERITIES.index(name)
    severity = {"error": "crit", "warning": "notice", "info": "debug"}
    other = {"err": "crit", "warning": "notice", "info": "debug"}[name]
    assert int(parsed(written(event, facility="user", severity=severity)[0])[0]) == 8 + SEVERITIES.index(other)


def test_there_are_as_many_facilities_as_the_standard_has() -> None:
    """Twenty-four, and eight severities."""
    assert (len(FACILITIES), len(SEVERITIES), FACILITIES.index("local7")) == (24, 8, 23)


def test_fields_may_be_structured_data() -> None:
    """Values escaped as the standard wants; a name that is too long keeps its end; what the head says is not repeated."""
    event = GET.replace(
        url_query='a="]\\\x1b',
        httpipe_marks=("gap", "truncated"),
        httpipe_client_process_executable_name="curl",
        attributes={"my flag": True},
    )
    data = parsed(written(event, structured_data=True)[0])[6].decode()
    assert data.startswith('[httpipe@32473 http.request.method="GET" ')
    assert 'url.query="a=\\"\\]\\\\\\\\x1b"' in data
    assert ' httpipe.marks="gap" httpipe.marks="truncated"' in data
    assert ' client.process.executable.name="curl"' in data
    assert data.endswith(' my_flag="true"]')
    assert "event.name" not in data
    only = written(event, structured_data=True, sd_id="x@1", only_fields=["url.path"])[0]
    assert parsed(only)[6] == b'[x@1 url.path="/a"]'


def test_the_text_may_be_json() -> None:
    """Of the chosen fields, never behind a mark."""
    event = GET.replace(url_path="/ä")
    text = parsed(written(event, message="json", only_fields=["url.path"])[0])[7]
    assert json.loads(text) == {"url.path": "/ä"}


def test_a_mark_stands_before_text_that_is_not_ascii() -> None:
    """As the standard wants it (section 6.4), unless it is switched off."""
    event = GET.replace(url_path="/ä")
    assert parsed(written(event)[0])[7].startswith(b"\xef\xbb\xbf200 GET")
    assert parsed(written(event, bom=False)[0])[7].startswith(b"200 GET")


def test_the_host_is_the_event_s_own_where_it_names_one() -> None:
    """Whatever is in it."""
    assert parsed(written(GET.with_attributes(**{"host.name": "web 1\n"}))[0])[2] == b"web_1_"


def test_old_messages_are_those_of_syslog_3() -> None:
    """Local time without a year; the host's name only over a network."""
    at = time.localtime(NOW_NS // 10**9)
    clock = f"{time.strftime('%b', at)} {at.tm_mday:2d} {time.strftime('%H:%M:%S', at)}"
    over_tcp, local = (
        written(GET, format="rfc3164")[0].decode(),
        written(GET, format="rfc3164", address="unix:///dev/log")[0].decode(),
    )
    assert re.fullmatch(rf"<134>{clock} here httpipe\[\d+\]: 200 GET .*", over_tcp)
    assert re.fullmatch(rf"<134>{clock} httpipe\[\d+\]: 200 GET .*", local)


@pytest.mark.parametrize("options", [{}, {"structured_data": True}, {"message": "json"}, {"format": "rfc3164"}])
@pytest.mark.parametrize("largest", [480, 2048, 65_000])
def test_whatever_the_wire_can_hold_is_one_line_of_bounded_length(options: dict[str, Any], largest: int) -> None:
    """Huge, empty and hostile text, in every form; what was cut is said, and what is left is whole UTF-8."""
    for event in odd_events():
        data, cut = written(event, max_bytes=largest, **options)
        assert len(data) <= largest
        text = data.decode()
        assert not any(char < " " or char == "\x7f" for char in text)
        if "format" not in options:
            parsed(data)
        assert cut or len(data) < largest


@given(st.text(), st.text(max_size=60), st.integers(480, 1000))
def test_any_text_makes_a_message(text: str, name: str, largest: int) -> None:
    """In paths, values and names of attributes."""
    event = GET.replace(url_path=text, attributes={name: text, "host.name": text})
    for structured in (False, True):
        data, _ = written(event, structured_data=structured, max_bytes=largest)
        assert len(data) <= largest
        parsed(data)


def test_frames_are_those_of_the_standard() -> None:
    """Each behind its length in bytes, or each with a newline behind it."""
    assert framed([b"a\xc3\xa4", b"b"], "octets") == b"3 a\xc3\xa41 b"
    assert framed([b"a", b"b"], "lines") == b"a\nb\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("udp://a", Address(Transport.UDP, "a", 514)),
        ("tcp://a:1", Address(Transport.TCP, "a", 1)),
        ("tcp://a", Address(Transport.TCP, "a", 601)),
        ("tls://[::1]", Address(Transport.TLS, "::1", 6514)),
        ("unix:///dev/log", Address(Transport.UNIX, path="/dev/log")),
    ],
)
def test_addresses_have_the_ports_that_are_registered(text: str, address: Address) -> None:
    """Unless they name one."""
    assert address_of(text) == address


@pytest.mark.parametrize(
    "options",
    [
        {"address": "logs.example:514"},
        {"address": "http://a"},
        {"address": "udp://"},
        {"address": "udp://a:99999"},
        {"address": "udp://a/b"},
        {"address": "udp://me@a"},
        {"address": "unix://dev/log"},
        {"address": "unix:///" + "a" * 200},
        {"address": "tls://a", "framing": "lines"},
        {"address": "tcp://a", "format": "rfc3164", "structured_data": True},
        {"address": "tcp://a", "only_fields": ["a"], "except_fields": ["b"]},
        {"address": "tcp://a", "app_name": "my app"},
        {"address": "tcp://a", "sd_id": 'a="'},
        {"address": "tcp://a", "max_bytes": 100},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """`httpipe validate` tells them."""
    with pytest.raises(ValidationError):
        SyslogSinkConfig.model_validate(options)
