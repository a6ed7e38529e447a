"""The sink `otlp` against real servers in processes of their own: a web server, and OpenTelemetry's services on grpcio's."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import BackOff, BatchError, ConfigError, Context, Event, Measurement, NotConnected, Reject
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.sinks.otlp.answer import TooLarge, judge_call
from pipeline.sinks.otlp.sink import OtlpSink, OtlpSinkConfig
from pipeline.testing.sink_contract import sink_contract
from tests.otlp_receiver import DIES, OtlpReceiver, attributes, items
from tests.sending import COUNT, all_sent, counting, sending, written
from tests.unit.sinks.test_http_sink import certificate
from tests.web_receiver import Receiver, Receivers

NOW_NS = 1_767_225_600 * 1_000_000_000
EVENTS = [Exchange(timestamp_ns=NOW_NS, http_request_method="GET", httpipe_sequence=number) for number in range(4)]
KINDS: list[Event] = [EVENTS[0], Measurement(NOW_NS, {"httpipe.requests": 3}), TlsHandshake(NOW_NS), EVENTS[1]]


@pytest.fixture(params=["http", "grpc"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver | OtlpReceiver]:
    """A server of this test's own, of either protocol."""
    with (Receiver if request.param == "http" else OtlpReceiver)(tmp_path) as running:
        yield running


def make(server: Receiver | OtlpReceiver | str, context: Context | None = None, **options: Any) -> OtlpSink:
    """The sink, as the engine makes it, for a server."""
    protocol = {"protocol": "grpc"} if isinstance(server, OtlpReceiver) else {}
    endpoint = server if isinstance(server, str) else server.base
    return OtlpSink(OtlpSinkConfig.model_validate({"endpoint": endpoint, **protocol, **options}), context or Context("otel"))


async def sent(sink: OtlpSink, events: Sequence[Event] = EVENTS) -> None:
    """Open, write, close."""
    await written(sink, events)


def arrived(server: Receiver | OtlpReceiver) -> list[tuple[str, bytes]]:
    """Signal and body of each request that a server took, or died over after it had kept it."""
    if isinstance(server, OtlpReceiver):
        return [(each["signal"], each["body"]) for each in server.requests() if each["code"] <= 0]
    taken = [each for each in server.requests() if each["status"] == 0 or 200 <= each["status"] < 300]
    return [(each["path"].removeprefix("/v1/"), each["body"]) for each in taken]


def numbers(server: Receiver | OtlpReceiver) -> list[int]:
    """Which exchanges arrived."""
    spans = [span for signal, body in arrived(server) if signal == "traces" for _, span in items(signal, body)]
    return [attributes(span.attributes)["httpipe.sequence"] for span in spans if span.attributes]


def answer(server: Receiver | OtlpReceiver, *codes: tuple[int, int], said: str = "not now") -> None:
    """Fail the first requests: with the status for HTTP, or the code for gRPC."""
    if isinstance(server, OtlpReceiver):
        server.answer(*[(code, said, None) for _, code in codes])
    else:
        server.answer(*[(status, {}, said) for status, _ in codes])


SERVERS = {kind: Receivers(kind) for kind in (Receiver, OtlpReceiver)}


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    for each in SERVERS.values():
        each.end()


def contract(kind: type[Receiver | OtlpReceiver]) -> type:
    """The contract of sinks over one protocol."""
    servers = SERVERS[kind]
    return sink_contract(
        lambda folder: make(servers.at(folder)), received=lambda folder: numbers(servers.at(folder)), down=servers.away
    )


TestContractOverHttp = contract(Receiver)
TestContractOverGrpc = contract(OtlpReceiver)


@pytest.mark.anyio
async def test_each_signal_has_its_request(receiver: Receiver | OtlpReceiver) -> None:
    """Exchanges are spans, measurements metrics, other kinds log records; each item is parsed by OpenTelemetry's own classes."""
    await sent(make(receiver), KINDS)
    found = {signal: [item for _, item in items(signal, body)] for signal, body in arrived(receiver)}
    assert {signal: len(each) for signal, each in found.items()} == {"traces": 2, "metrics": 1, "logs": 1}
    assert found["metrics"][0].name == "httpipe.requests"
    assert found["logs"][0].event_name == "tls.handshake"


@pytest.mark.anyio
async def test_exchanges_may_be_log_records(receiver: Receiver | OtlpReceiver) -> None:
    """Then there is no trace."""
    await sent(make(receiver, exchanges="logs"))
    ((signal, body),) = arrived(receiver)
    records = [record for _, record in items(signal, body)]
    assert [attributes(record.attributes)["httpipe.sequence"] for record in records] == [0, 1, 2, 3]
    assert {record.event_name for record in records} == {"http.exchange"}


@pytest.mark.anyio
async def test_fields_credentials_and_compression_go_with_each_request(receiver: Receiver | OtlpReceiver) -> None:
    """The server says what it got, uncompressed."""
    options = {"headers": {"X-Tenant": "blue"}, "auth": {"token": "t"}, "compression": "gzip"}
    await sent(make(receiver, **options))
    (request,) = receiver.requests()
    fields = request["metadata" if isinstance(receiver, OtlpReceiver) else "fields"]
    assert (fields["x-tenant"], fields["authorization"]) == ("blue", "Bearer t")
    if isinstance(receiver, Receiver):
        assert (fields["content-encoding"], fields["content-type"]) == ("gzip", "application/x-protobuf")
        assert request["path"] == "/v1/traces"
        assert len(list(items("traces", gzip.decompress(request["body"])))) == 4
    else:
        assert numbers(receiver) == [0, 1, 2, 3]


@pytest.mark.anyio
async def test_who_may_say_yes_later_is_asked_again(receiver: Receiver | OtlpReceiver) -> None:
    """Statuses and codes that the specification calls retryable, and those that somebody has to put right."""
    answers = [(429, 1), (502, 4), (503, 14), (504, 10), (401, 16), (403, 7), (408, 15), (307, 11), (429, 8)]
    answer(receiver, *answers)
    for _ in answers:
        with pytest.raises(BackOff, match="not now"):
            await sent(make(receiver))
    assert numbers(receiver) == []


@pytest.mark.anyio
async def test_who_says_never_is_not_asked_again(receiver: Receiver | OtlpReceiver) -> None:
    """All other statuses and codes, by the specification; one signal that a server does not take holds up no other."""
    answers = [(400, 3), (404, 12), (500, 13), (501, 5)]
    answer(receiver, *answers)
    for _ in answers:
        with pytest.raises(Reject, match="not now"):
            await sent(make(receiver))
    answer(receiver, *answers, (404, 12))
    with pytest.raises(BatchError) as raised:
        await sent(make(receiver), KINDS)
    assert {place: type(error) for place, error in raised.value.failures.items()} == {0: Reject, 3: Reject}
    assert {signal for signal, _ in arrived(receiver)} == {"metrics", "logs"}


@pytest.mark.anyio
async def test_what_is_too_large_is_halved(receiver: Receiver | OtlpReceiver) -> None:
    """Until it fits; an event that alone is too large is rejected, and no other."""
    answer(receiver, *[(413, 8)] * 3, said="grpc: received message larger than max (5 vs. 4)")
    with pytest.raises(BatchError) as raised:
        await sent(make(receiver))
    assert list(raised.value.failures) == [0]
    assert isinstance(raised.value.failures[0], Reject)
    assert numbers(receiver) == [1, 2, 3]


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (8, "CLIENT: Received message larger than max (5 vs. 4)", TooLarge),
        (8, "gRPC message exceeds maximum size 4: 5", TooLarge),
        (8, "Received message exceeds the maximum configured message size.", TooLarge),
        (11, "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes", TooLarge),
        (8, "RATE_LIMITED: ingestion rate limit exceeded", BackOff),
        (8, "", BackOff),
        (11, "read past the end", BackOff),
        (3, "message larger than max", Reject),
    ],
)
def test_words_tell_a_message_that_is_too_large_from_a_quota(code: int, said: str, kind: type[Exception]) -> None:
    """Both have one code: what is over a quota is whole, and may be taken later."""
    assert type(judge_call("a", code, "NAME", said, b"")) is kind


@pytest.mark.anyio
async def test_a_pause_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    """Retry-After of HTTP, RetryInfo of gRPC, which also makes RESOURCE_EXHAUSTED a matter of time."""
    with Receiver(tmp_path) as web:
        web.answer((503, {"retry-after": "7"}, ""))
        with pytest.raises(BackOff) as raised:
            await sent(make(web))
    assert raised.value.secs == 7.0
    (tmp_path / "grpc").mkdir()
    with OtlpReceiver(tmp_path / "grpc") as calls:
        calls.answer((8, "quota", 2.5), (14, "busy", 0.25))
        for secs in (2.5, 0.25):
            with pytest.raises(BackOff) as raised:
                await sent(make(calls))
            assert raised.value.secs == secs


@pytest.mark.anyio
async def test_a_partial_success_is_counted_and_told(receiver: Receiver | OtlpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    """The events count as delivered, since they must not be sent again; the same words are not told twice."""
    context, counted = counting()
    if isinstance(receiver, OtlpReceiver):
        receiver.answer(*[(0, "one is bad", None)] * 2)
    else:
        receiver.answer(*[(200, {}, "\x0a\x0e\x08\x01\x12\x0aone is bad")] * 2)
    sink = make(receiver, context)
    await sink.open()
    await sink.write(EVENTS)
    await sink.write(EVENTS)
    await sink.aclose()
    assert counted == {"refused_by_server": 2}
    assert [each.message for each in caplog.records] == ["the server took traces but not 1 of them: one is bad"]


@pytest.mark.anyio
async def test_no_answer_is_told_with_its_reason(tmp_path: Path) -> None:
    """Host, port and what the system said."""
    for gone in (Receiver(tmp_path), OtlpReceiver(tmp_path)):
        with pytest.raises(NotConnected, match=rf"127\.0\.0\.1:{gone.port}: .*[Rr]efused"):
            await sent(make(gone))


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Receiver, OtlpReceiver])
async def test_an_unknown_certificate_is_refused_and_a_named_one_is_not(
    tmp_path: Path, kind: type[Receiver | OtlpReceiver]
) -> None:
    """As `tls` says; a wrong file is named."""
    pem = certificate(tmp_path)
    with kind(tmp_path, certificate=str(pem)) as server:
        with pytest.raises(NotConnected, match=r"127\.0\.0\.1.*(CERTIFICATE_VERIFY_FAILED|certificate)"):
            await sent(make(server))
        await sent(make(server, tls={"ca_file": str(tmp_path / "crt")}))
        with pytest.raises(NotConnected, match=r"cannot read .*none"):
            await sent(make(server, tls={"ca_file": str(tmp_path / "none")}))
        assert numbers(server) == [0, 1, 2, 3]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["ca_file", "crt_file", "key_file"])
@pytest.mark.parametrize(("held", "problem"), [("", "is empty"), ("nothing of the kind", "is not PEM")])
async def test_a_certificate_that_is_being_written_is_waited_for(tmp_path: Path, name: str, held: str, problem: str) -> None:
    """gRPC would end the process at an empty one."""
    certificate(tmp_path)
    files = {"crt_file": str(tmp_path / "crt"), "key_file": str(tmp_path / "key")}
    (tmp_path / "broken").write_text(held)
    with pytest.raises(NotConnected, match=f"cannot read what tls names: .*broken {problem}"):
        await sent(make("https://127.0.0.1:1", protocol="grpc", tls={**files, name: str(tmp_path / "broken")}))


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "localhost:4317"},
        {"endpoint": "http://me:word@a"},
        {"endpoint": "http://a:4318/v1/traces"},
        {"only_fields": ["a"], "except_fields": ["b"]},
        {"protocol": "grpc", "proxy": "http://proxy.example:3128"},
        {"protocol": "grpc", "tls": {"verify_certificate": False}},
        {"protocol": "grpc", "tls": {"crt_file": "both.pem"}},
        {"protocol": "grpc", "compression": "zstd"},
        {"protocol": "grpc", "endpoint": "http://a/b"},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """`httpipe validate` tells them."""
    with pytest.raises(ValidationError):
        make(options.pop("endpoint", "http://a"), **options)


def test_a_wrong_field_is_named_and_secrets_are_not_shown() -> None:
    """With its place in the table."""
    with pytest.raises(ConfigError, match=r"headers\.x y"):
        make("http://a", headers={"x y": "z"})
    with pytest.raises(ConfigError) as raised:
        make("http://a", protocol="grpc", headers={"x-bin": "z", "grpc-timeout": "1", "X-Tenant": "z"})
    assert [problem.path for problem in raised.value.problems] == ["headers.x-bin", "headers.grpc-timeout"]
    config = OtlpSinkConfig.model_validate({"endpoint": "http://a", "headers": {"k": "hidden"}, "auth": {"token": "hidden"}})
    assert "hidden" not in repr(config)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(tmp_path: Path) -> None:
    """Killed three times, each time before it answers: all arrive, and twice only what it had taken without an answer."""
    with OtlpReceiver(tmp_path) as server:
        server.answer(*([(0, "", None)] * 40 + [DIES]) * 3)
        with sending(tmp_path, f'type = "otlp"\nendpoint = "{server.base}"\nprotocol = "grpc"\nbatch.max_events = 100') as run:
            for _ in range(3):
                server.wait()
                server.start()
            all_sent(run)
    found = numbers(server)
    unanswered = [len(list(items("traces", each["body"]))) for each in server.requests() if each["code"] == -1]
    assert len(unanswered) == 3
    assert set(found) == set(range(COUNT))
    assert len(found) == COUNT + sum(unanswered)
