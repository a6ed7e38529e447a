"""The sink `http` against a real web server in a process of its own."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from pipeline.api import BackOff, BatchError, ConfigError, Context, NotConnected, Reject
from pipeline.codecs.registry import codec
from pipeline.model.events.exchange import Exchange
from pipeline.sinks.http.answer import pause_of
from pipeline.sinks.http.sink import HttpSink, HttpSinkConfig
from pipeline.testing.sink_contract import sink_contract
from tests.sending import COUNT, all_sent, sending, written
from tests.web_receiver import Receiver, Receivers

SECRET = "whsec_bm90IGEgc2VjcmV0LCBvbmx5IGFuIGV4YW1wbGU="  # noqa: S105  for tests only
NOW_NS = 1_767_225_600 * 1_000_000_000
EVENTS = [Exchange(timestamp_ns=NOW_NS, httpipe_sequence=number, server_address=f"s{number % 2}.example") for number in range(4)]


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio."""
    return "asyncio"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A server of this test's own."""
    with Receiver(tmp_path) as running:
        yield running


def make(url: str, **options: Any) -> HttpSink:
    """The sink, as the engine makes it."""
    return HttpSink(HttpSinkConfig.model_validate({"url": url, **options}), Context("hook"))


async def sent(sink: HttpSink, events: Sequence[Exchange] = EVENTS) -> None:
    """Open, write, close."""
    await written(sink, events)


RECEIVERS = Receivers()


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    RECEIVERS.end()


TestContract = sink_contract(
    lambda folder: make(f"{RECEIVERS.at(folder).base}/in"),
    received=lambda folder: [event["httpipe.sequence"] for event in RECEIVERS.at(folder).taken()],
    down=RECEIVERS.away,
)


@pytest.mark.anyio
async def test_what_goes_together_goes_to_its_address(receiver: Receiver) -> None:
    """Events of one address and the same fields are one request; what traffic chose is made harmless in both."""
    events = [*EVENTS, Exchange(timestamp_ns=NOW_NS, httpipe_sequence=9, server_address="../a?b#c\r\nx: y")]
    fields = {"Authorization": "Bearer t", "X-Server": "of {{server.address}}"}
    await sent(make(f"{receiver.base}/in/{{{{server.address}}}}", method="PUT", headers=fields), events)
    found = receiver.requests()
    assert [each["path"] for each in found] == ["/in/s0.example", "/in/s1.example", "/in/___a_b_c__x__y"]
    assert [each["method"] for each in found] == ["PUT"] * 3
    assert [each["fields"]["x-server"] for each in found] == ["of s0.example", "of s1.example", "of ../a?b#c__x: y"]
    assert {each["fields"]["authorization"] for each in found} == {"Bearer t"}
    assert [event["httpipe.sequence"] for event in receiver.taken()] == [0, 2, 1, 3, 9]
    assert len({each["connection"] for each in found}) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"body": "lines"}, "application/x-ndjson"),
        ({"body": "array"}, "application/json"),
        ({"body": "array", "encoding": {"codec": "ecs"}, "compression": "gzip"}, "application/json"),
        ({"body": "event"}, "application/json"),
        ({"encoding": {"codec": "protobuf"}}, "application/x-protobuf"),
    ],
)
async def test_bodies_are_what_their_fields_say(receiver: Receiver, options: dict[str, Any], kind: str) -> None:
    """Lines, an array, an event; compressed where asked for."""
    await sent(make(f"{receiver.base}/", **options))
    found = receiver.requests()
    assert {each["fields"]["content-type"] for each in found} == {kind}
    bodies = [each["body"] for each in found]
    if "compression" in options:
        assert {each["fields"]["content-encoding"] for each in found} == {"gzip"}
        bodies = [gzip.decompress(body) for body in bodies]
    written = codec(options["encoding"]["codec"] if "encoding" in options else "json")
    match options.get("body"):
        case "array":
            assert json.loads(bodies[0]) == [json.loads(each) for each in written.encode_each(EVENTS)]
        case "event":
            assert bodies == written.encode_each(EVENTS)
        case _:
            assert bodies == [bytes(written.encode_batch(EVENTS))]


@pytest.mark.anyio
async def test_signatures_are_those_of_the_specification(receiver: Receiver) -> None:
    """Its own library verifies them; what is sent again has the same id, other events another one."""
    sink = HttpSink(HttpSinkConfig.model_validate({"url": f"{receiver.base}/", "secret": SECRET}), Context("hook"))
    await sink.open()
    for events in (EVENTS, EVENTS, EVENTS[1:]):
        await sink.write(events)
    await sink.aclose()
    found = receiver.requests()
    for each in found:
        Webhook(SECRET).verify(each["body"], each["fields"], json_parse=False)
    first, again, other = (each["fields"]["webhook-id"] for each in found)
    assert first == again != other


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "pause", "secs"),
    [(429, "7", 7.0), (503, "120", 120.0), (500, "", None), (401, "", None), (404, "", None), (302, "", None)],
)
async def test_who_may_say_yes_later_is_asked_again(receiver: Receiver, status: int, pause: str, secs: float | None) -> None:
    """After the time that it asks for, else after the engine's backoff; the message has its words, without control characters."""
    receiver.answer((status, {"retry-after": pause} if pause else {}, "quota\x1b[31m\nis used up"))
    with pytest.raises(BackOff, match=rf"POST {receiver.base}/ answered {status}: quota \[31m is used up") as raised:
        await sent(make(f"{receiver.base}/?token=hidden"))
    assert raised.value.secs == secs
    assert "hidden" not in str(raised.value)


@pytest.mark.anyio
async def test_who_says_never_is_not_asked_again(receiver: Receiver) -> None:
    """The events are rejected; which statuses that are stands in the table."""
    receiver.answer((400, {}, "no"), (401, {}, "no"), (418, {}, "no"))
    with pytest.raises(Reject, match="400"):
        await sent(make(f"{receiver.base}/"))
    with pytest.raises(Reject, match="401"):
        await sent(make(f"{receiver.base}/", retry_statuses=[418]))
    with pytest.raises(BackOff, match="418"):
        await sent(make(f"{receiver.base}/", retry_statuses=[418]))


@pytest.mark.anyio
async def test_a_server_that_repeats_credentials_is_quoted_without_them(receiver: Receiver) -> None:
    """With the scheme and without."""
    receiver.answer((400, {}, "you sent Authorization: Bearer tok3n-of-ours (tok3n-of-ours)"))
    with pytest.raises(Reject, match=r"you sent Authorization: REDACTED \(REDACTED\)"):
        await sent(make(f"{receiver.base}/", headers={"authorization": "Bearer tok3n-of-ours"}))


@pytest.mark.anyio
async def test_what_is_too_large_is_halved(receiver: Receiver) -> None:
    """Until it fits; an event that alone is too large is rejected, and no other."""
    receiver.answer((413, {}, ""), (413, {}, ""), (413, {}, "too large"))
    with pytest.raises(BatchError) as raised:
        await sent(make(f"{receiver.base}/"))
    assert {place: type(error) for place, error in raised.value.failures.items()} == {0: Reject}
    assert [event["httpipe.sequence"] for event in receiver.taken()] == [1, 2, 3]


@pytest.mark.anyio
async def test_what_was_taken_is_not_sent_again(receiver: Receiver) -> None:
    """Of several requests of a batch those behind the one that failed wait with it."""
    receiver.answer((204, {}, ""), (503, {"retry-after": "3"}, ""))
    with pytest.raises(BatchError) as raised:
        await sent(make(f"{receiver.base}/", body="event"))
    assert {place: type(error) for place, error in raised.value.failures.items()} == {1: BackOff, 2: BackOff, 3: BackOff}
    assert len(receiver.requests()) == 2


@pytest.mark.anyio
async def test_a_batch_of_many_slow_requests_is_interrupted(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken counts before the engine gives the write up."""
    monkeypatch.setattr("pipeline.sinks.http.rounds.PATIENCE_SECS", 0.0)
    with pytest.raises(BatchError) as raised:
        await sent(make(f"{receiver.base}/", body="event"))
    assert set(raised.value.failures) == {1, 2, 3}


@pytest.mark.anyio
async def test_no_answer_is_told_with_its_reason(tmp_path: Path) -> None:
    """Host, port and what the system said."""
    gone = Receiver(tmp_path)
    with pytest.raises(NotConnected, match=rf"127\.0\.0\.1:{gone.port}: Connection refused"):
        await sent(make(f"{gone.base}/?token=hidden"))
    with pytest.raises(NotConnected, match=r"no-such-host\.invalid: ."):
        await sent(make("http://no-such-host.invalid/"))


def certificate(folder: Path) -> Path:
    """Of 127.0.0.1, signed by itself, alone in `crt` and with its key in the file that is returned."""
    openssl = shutil.which("openssl")
    assert openssl is not None
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(folder / "key"), "-out", str(folder / "crt")], check=True, capture_output=True)
    pem = folder / "both.pem"
    pem.write_text((folder / "key").read_text() + (folder / "crt").read_text())
    return pem


@pytest.mark.anyio
async def test_an_unknown_certificate_is_refused_and_a_named_one_is_not(tmp_path: Path) -> None:
    """As `tls` says; a wrong file is named."""
    pem = certificate(tmp_path)
    with Receiver(tmp_path, certificate=str(pem)) as receiver:
        with pytest.raises(NotConnected, match=r"127\.0\.0\.1.*CERTIFICATE_VERIFY_FAILED"):
            await sent(make(f"{receiver.base}/"))
        await sent(make(f"{receiver.base}/", tls={"ca_file": str(tmp_path / "crt")}))
        await sent(make(f"{receiver.base}/", tls={"verify_certificate": False}))
        with pytest.raises(NotConnected, match=f"cannot read {tmp_path}/none: No such file or directory"):
            await sent(make(f"{receiver.base}/", tls={"ca_file": str(tmp_path / "none")}))
        assert len(receiver.requests()) == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "https://{{server.address}}/x"}, "traffic must not choose the host"),
        ({"url": "https://a{{server.address}}/x"}, "traffic must not choose the host"),
        ({"url": "ftp://a/x"}, "must begin with http"),
        ({"url": "https://me:word@a/x"}, "headers.authorization"),
        ({"url": "https://a/{{nosuch.field}}"}, "nosuch"),
        ({"url": "https://a/", "headers": {"x y": "z"}}, "name of a header field"),
        ({"url": "https://a/", "headers": {"Content-Length": "1"}}, "leave it out"),
        ({"url": "https://a/", "headers": {"x": "a\nb"}}, "value of a header field"),
        ({"url": "https://a/", "headers": {"x": "{{"}}, "do not match"),
    ],
)
def test_mistakes_are_found_before_anything_runs(options: dict[str, Any], problem: str) -> None:
    """`httpipe validate` tells them."""
    with pytest.raises(ConfigError, match=problem):
        make(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"secret": "short"},
        {"secret": "not base64 at all, but quite long enough"},
        {"body": "array", "encoding": {"codec": "protobuf"}},
        {"retry_statuses": [200]},
        {"tls": {"key_file": "k"}},
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, Any]) -> None:
    """With the value where it is no secret."""
    with pytest.raises(ValidationError) as raised:
        make("https://a/", **options)
    assert "quite long enough" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    """Neither the key nor header fields such as `authorization`."""
    sink = make("https://a/", secret=SECRET, headers={"authorization": "Bearer hidden"})
    assert SECRET not in repr(sink._config)
    assert "hidden" not in repr(sink._config)


@pytest.mark.parametrize(
    ("value", "secs"),
    [
        ("7", 7.0),
        (formatdate(NOW_NS // 1_000_000_000 + 90, usegmt=True), 90.0),
        (formatdate(NOW_NS // 1_000_000_000 - 90, usegmt=True), None),
        ("0", None),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("9" * 400, float("inf")),
        ("Sun, 31 Dec 9999 23:59:59 -9999", None),
    ],
)
def test_retry_after_is_read_as_the_standard_says(value: str, secs: float | None) -> None:
    """Seconds or a date; nonsense is as good as nothing. The engine waits an hour at the most."""
    assert pause_of(value, NOW_NS) == secs


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    """Killed three times, each time before it answers: all arrive, and twice only what it had taken without an answer."""
    dies: tuple[int, dict[str, str], str] = (0, {}, "")
    receiver.answer(*([(204, {}, "")] * 40 + [dies]) * 3)
    with sending(tmp_path, f'type = "http"\nurl = "{receiver.base}/in"\nbatch.max_events = 100') as run:
        for _ in range(3):
            receiver.wait()
            receiver.start()
        all_sent(run)
    numbers = [event["httpipe.sequence"] for event in receiver.taken()]
    unanswered = [len(each["body"].splitlines()) for each in receiver.requests() if each["status"] == 0]
    assert len(unanswered) == 3
    assert set(numbers) == set(range(COUNT))
    assert len(numbers) == COUNT + sum(unanswered)
