"""The pure parts of the kafka sink: where a key lands, what a topic may be called, what an answer means, what options may say."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import BackOff, ConfigError, Context, Exchange, NotConnected, Reject
from pipeline.kafka.connection import servers
from pipeline.kafka.partition import keyed, murmur2
from pipeline.sinks.kafka.outcome import cause, in_order, refusal
from pipeline.sinks.kafka.routing import compile_key, compile_topic
from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig

HERE = Context("bus")
SHOP = Exchange(timestamp_ns=0, server_address="shop.example.com", http_response_status_code=200, httpipe_connection="c1")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(key: bytes, expected: int) -> None:
    """The hashes are those that Kafka's own clients compute (as signed numbers)."""
    assert murmur2(key) == expected & 0xFFFFFFFF


@settings(deadline=None)  # the first example imports aiokafka
@given(st.binary(max_size=100))
def test_murmur2_agrees_with_another_implementation(key: bytes) -> None:
    """Any key of any length hashes as aiokafka's slower code has it."""
    partitioner = pytest.importorskip("aiokafka.partitioner")
    assert murmur2(key) == partitioner.murmur2(key)


def test_a_key_of_any_text_has_bytes_and_a_positive_hash() -> None:
    """Lone surrogates do not stop it, and the sign bit is cleared, as Kafka does."""
    for text in ("", "\udc80", "ä", "10.0.0.1:1-10.0.0.2:80"):
        data, hashed = keyed(text)
        assert isinstance(data, bytes)
        assert 0 <= hashed < 1 << 31


def test_a_topic_may_depend_on_the_event_and_stays_sanitised() -> None:
    """What strangers write becomes a harmless part of a name that begins with ours; too many different ones share one topic."""
    topic = compile_topic("http-{{server.address}}", HERE)
    assert topic.literal is None
    assert topic.of(SHOP) == "http-shop.example.com"
    hostile = topic.of(SHOP.replace(server_address="../../x y"))
    assert hostile is not None
    assert hostile.startswith("http-")
    assert not set(hostile) & set("/ ")
    assert ".." not in hostile
    assert topic.of(SHOP.replace(server_address=None)) == "http-unknown"
    events = [SHOP.replace(server_address=f"h{number}") for number in range(2000)]
    names = {topic.of(event) for event in events}
    assert len(names) <= 1001
    assert "http-other" in names
    assert topic.overflows(events) == 2000 - (1000 - 3)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a b", "a/b", "ä", "x" * 250, "{{server.address}}", "http-{{no.such}}", "http-{{"]
)
def test_a_bad_topic_is_told(text: str) -> None:
    """What Kafka would refuse, or a stranger could choose, is refused before anything runs."""
    with pytest.raises(ConfigError) as raised:
        compile_topic(text, HERE)
    assert raised.value.problems[0].path == "topic"


def test_a_topic_that_grows_too_long_has_no_name() -> None:
    """Kafka takes 249 characters."""
    topic = compile_topic("x" * 200 + "{{server.address}}", HERE)
    assert topic.of(SHOP.replace(server_address="y" * 90)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("httpipe.connection", "c1"),
        ("http.response.status_code", "200"),
        ("url.path", None),
        ("{{server.address}}/{{http.response.status_code}}", "shop.example.com/200"),
        ("{{url.path}}", None),
        ("", None),
    ],
)
def test_a_key_is_a_field_a_template_or_nothing(text: str, expected: str | None) -> None:
    """A missing value is no key."""
    assert compile_key(text, HERE)(SHOP) == expected


def test_a_bad_key_is_told() -> None:
    """With the name that was meant."""
    with pytest.raises(ConfigError, match=r"key: .*httpipe.conection.*did you mean"):
        compile_key("httpipe.conection", HERE)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"acks": 1}, "acks = 1 stands against enable_idempotence = true"),
        ({"bootstrap_servers": "::1"}, "IPv6 address in brackets"),
        ({"bootstrap_servers": "a:99999"}, '"a:99999" is not host:port'),
        ({"bootstrap_servers": " , "}, "names no broker"),
        ({"sasl": {"username": "u"}}, r"sasl.username\n.*has no effect without enabled = true; set that"),
        ({"sasl": {"enabled": True, "username": "u"}}, "needs username and one of password and password_file"),
        (
            {"sasl": {"enabled": True, "username": "u", "password": "pass-word", "password_file": "f"}},
            "one of password and password_file",
        ),
        ({"sasl": {"enabled": True, "mechanism": "OAUTHBEARER"}}, "needs one of token and token_file"),
        ({"tls": {"ca_file": "x"}}, r"tls.ca_file\n.*has no effect without enabled = true; set that"),
        ({"tls": {"enabled": True, "key_file": "x"}}, r"tls.key_file\n.*has no effect without crt_file; set that"),
        ({"compression": "brotli"}, "'none', 'gzip', 'snappy', 'lz4' or 'zstd'"),
        ({"acks": "al"}, "0, 1 or 'all'"),
    ],
)
def test_options_that_contradict_each_other_are_told(table: dict[str, Any], said: str) -> None:
    """Before anything runs, and without the secret that stands in the table."""
    with pytest.raises(ValidationError, match=said) as raised:
        KafkaSinkConfig.model_validate({"bootstrap_servers": "a:1", "topic": "t"} | table)
    assert "pass-word" not in str(raised.value)


def test_secrets_are_never_shown() -> None:
    """Neither by the options nor by the sink that holds them."""
    sasl = {"enabled": True, "username": "u", "password": "hunter-2-hunter"}
    config = KafkaSinkConfig.model_validate({"bootstrap_servers": "a:1", "topic": "t", "sasl": sasl})
    shown = [repr(config), str(config), config.model_dump_json(), repr(vars(KafkaSink(config, HERE)))]
    assert not [text for text in shown if "hunter" in text]
    assert config.arguments()["sasl_plain_password"] == "hunter-2-hunter"  # noqa: S105  made up


def test_servers_may_be_written_in_every_usual_way() -> None:
    """Names, IPv4, IPv6 in brackets, with and without port."""
    assert servers("a, b:1,10.0.0.1:2,[::1]:3,[::1]") == [("a", 9092), ("b", 1), ("10.0.0.1", 2), ("::1", 3), ("::1", 9092)]


class TopicAuthorizationFailedError(Exception):
    """Named as aiokafka's."""


def test_what_an_answer_means() -> None:
    """A record that is refused is rejected with the limit that it met; what may pass later is to be tried again."""
    assert "record of 5000 bytes" in str(refusal("MessageSizeTooLargeError", 5000, "t"))
    assert "message.timestamp" in str(refusal("InvalidTimestampError", 1, "t"))
    denied = cause(TopicAuthorizationFailedError(), "t", "broker a:1")
    assert isinstance(denied, NotConnected)
    assert 'topic "t" may not be written to' in str(denied)
    assert "broker a:1 did not take a batch: OSError gone" in str(cause(OSError("gone"), "t", "broker a:1"))


def test_what_is_to_be_tried_again_is_reported_first() -> None:
    """The engine does for the whole rest what the first failure asks."""
    failures: dict[int, Exception] = {0: Reject("x"), 1: BackOff(1), 2: NotConnected("y")}
    assert list(in_order(failures)) == [2, 1, 0]
